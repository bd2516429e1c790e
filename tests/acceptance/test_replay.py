"""`leadkeeper replay`: anyone's own log through the whole product, and into a deployment of one's own."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from agents.cli.replay import RUNS
from schemas.dead_letters import DeadLetter
from schemas.topics import EVENTS_DLQ
from tests.acceptance.conftest import Deploy
from tests.acceptance.product import AGENTS, ROOT, environment, leadkeeper
from tests.polling import eventually

CLUB = (str(ROOT / "tests/fixtures/club.csv"), "--mapping", str(ROOT / "tests/fixtures/club.toml"))
BROKEN = {100: "time", 400: "what", 700: "lead", 900: "row", 1200: "price"}
"""Line in the file -> what is wrong with it."""
PROGRAMS = 8
"""Broker, Redis, mailbox, lead agent, report agent, three couriers."""


@pytest.fixture
def runs() -> Iterator[list[Path]]:
    """Folders of runs that a test makes; removed at its end, with `.leadkeeper` where it was not there before."""
    was_there = RUNS.exists()
    before = set(RUNS.glob("acceptance-club-*"))
    found: list[Path] = []
    yield found
    for folder in set(RUNS.glob("acceptance-club-*")) - before:
        found.append(folder)
        shutil.rmtree(folder)
    if not was_there and RUNS.exists() and not any(RUNS.iterdir()):
        RUNS.rmdir()


def marked(mark: str) -> list[psutil.Process]:
    """Every process that carries a word in its environment, also one that lost its parent."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ACCEPTANCE_RUN") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError):
            continue
    return found


def test_a_log_goes_through_the_whole_product(runs: list[Path], tmp_path: Path) -> None:
    """Also where the settings of some deployment are in the environment: a try-out is by itself."""
    mark = uuid4().hex
    strange = environment(bootstrap="127.0.0.1:1", topic_prefix="strange.", smtp_security="tls", epoch="7")
    before = set(RUNS.glob("acceptance-club-*"))
    with (tmp_path / "out").open("wb") as out:
        replay = subprocess.Popen(
            [*AGENTS, "replay", *CLUB, "--no-train"],
            cwd=ROOT, env={**strange, "ACCEPTANCE_RUN": mark}, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip

        def all_up() -> bool:
            assert replay.poll() is None, (tmp_path / "out").read_text()
            return len(marked(mark)) > PROGRAMS

        eventually(all_up, timeout=90, what="all programs of the try-out")
        code = replay.wait(200)
    text = (tmp_path / "out").read_text()
    assert code == 0, text
    eventually(lambda: not marked(mark), what="nothing left running")

    flat = " ".join(text.split())
    lines = (ROOT / "tests/fixtures/club.csv").read_text().count("\n") - 1
    assert f"{lines:,} rows, 300 leads, 2025-01-06 to 2025-05-" in text
    for line, field in BROKEN.items():
        assert re.search(rf"^  club\.csv line {line}: {field}: ", text, re.MULTILINE), text
    assert "5 rows are no events (4 broken_row, 1 unknown_kind)" in text
    assert re.search(r"5 dead letters; [\d,]+ assessments published", flat), text
    for stage in ("early_warning", "active_risk", "critical_risk"):
        figures = re.search(rf"^{stage} +([\d,]+) +([\d,]+) +([\d,]+) +[\d.]+%$", text, re.MULTILINE)
        assert figures, text
        assert int(figures[1].replace(",", "")) > 0
    assert re.search(r"^Sent [1-9][\d,]*: .*email", text, re.MULTILINE), text
    assert re.search(r"^Held [1-9]", text, re.MULTILINE), text
    assert "one lead's story: acceptance-club M" in text

    (folder,) = set(RUNS.glob("acceptance-club-*")) - before
    mails = list((folder / "mail").glob("*.eml"))
    assert mails
    assert f"{len(mails):,} mails lie in the mailbox" in flat
    assert b"@example.com" in mails[0].read_bytes()


def test_a_log_goes_to_a_deployment_of_ones_own(deploy: Deploy, runs: list[Path]) -> None:
    product = deploy(2)
    done = product.run("replay", *CLUB, "--to", f"kafka://{product.broker.bootstrap}", "--no-contacts")
    assert done.code == 0, done.out + done.err
    sent = re.search(r"sent ([\d,]+) events and 0 ticks", done.out)
    assert sent, done.out
    keys = [record.key for record in product.inbox()]
    assert len(keys) == int(sent[1].replace(",", "")) > 1500
    assert len(set(keys)) == 300
    rows = [DeadLetter.from_headers(record.headers) for record in product.records(EVENTS_DLQ)]
    assert {row.offset: row.field for row in rows} == BROKEN
    assert len(rows) == len(BROKEN)
    listed = product.run("dlq", "list", "--reason", "unknown_kind")
    assert listed.code == 0, listed.err
    assert "[/spa]" in listed.out, "what a sender wrote is no markup"

    paced = product.run("replay", *CLUB, "--to", "kafka://127.0.0.1:1", "--no-contacts")
    assert paced.code == 69, paced


@pytest.mark.parametrize("words", [("--speed", "bogus"), ("--speed", "-3x"), ("--to", "broker:9092")], ids=" ".join)
def test_wrong_words_end_with_64(runs: list[Path], words: tuple[str, str]) -> None:
    done = leadkeeper("replay", *CLUB, *words)
    assert done.code == 64, done
    assert " ".join(words) in done.err
