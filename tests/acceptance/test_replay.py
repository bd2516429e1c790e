"""`leadkeeper replay`: anyone's own log through the whole product, and into a deployment of one's own."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from agents.tryout.runs import RUNS
from schemas.dead_letters import DeadLetter
from schemas.topics import EVENTS_DLQ
from tests.acceptance.conftest import Deploy
from tests.acceptance.product import AGENTS, ROOT, environment, leadkeeper
from tests.polling import eventually

CLUB = (str(ROOT / "tests/fixtures/club.csv"), "--mapping", str(ROOT / "tests/fixtures/club.toml"))
BROKEN = {100: "time", 400: "what", 700: "lead", 900: "row", 1200: "price"}
"""Line in the file -> what is wrong with it."""
OURS = "*acceptance-club-*"
PROGRAMS = 8
"""Broker, Redis, mailbox, lead agent, report agent, three couriers."""


@pytest.fixture
def runs() -> Iterator[list[Path]]:
    """Folders of runs that a test makes; removed at its end, with `.leadkeeper` where it was not there before."""
    was_there = RUNS.exists()
    before = set(RUNS.glob(OURS))
    found: list[Path] = []
    yield found
    for folder in set(RUNS.glob(OURS)) - before:
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
        assert re.search(rf"^ +1  {field}: .*\n +club\.csv line {line}: \w", text, re.MULTILINE), text
    assert "5 rows are no events:" in text
    assert "1970" not in text, "no time before the log's first"
    assert re.search(r"5 dead letters; [\d,]+ assessments published", flat), text
    for stage in ("early_warning", "active_risk", "critical_risk"):
        figures = re.search(rf"^{stage} +([\d,]+) +([\d,]+) +([\d,]+) +[\d.]+%$", text, re.MULTILINE)
        assert figures, text
        assert int(figures[1].replace(",", "")) > 0
    assert re.search(r"^Sent [1-9][\d,]*: .*email", text, re.MULTILINE), text
    assert re.search(r"^Held [1-9]", text, re.MULTILINE), text
    assert "one lead's story: acceptance-club M" in text

    (folder,) = set(RUNS.glob("acceptance-club-*")) - before
    assert f".leadkeeper/{folder.name}/rejects.jsonl" in flat
    rejects = [json.loads(line) for line in (folder / "rejects.jsonl").read_text().splitlines()]
    assert {row["line"]: row["field"] for row in rejects} == BROKEN
    assert rejects[3]["row"] == "019,2025-03-01 10:00"
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
    assert "unknown_kind  club.csv line 400\n  what: no rule for what = '[/spa]'" in listed.out
    assert "dlq redrive" not in listed.out, "rows of a file cannot be sent again"
    again = product.run("dlq", "redrive", "--reason", "unknown_kind", "--go")
    assert again.code == 1
    assert "1 of 1 cannot be sent again" in again.out
    assert "history until" not in done.out, "that is about a run on this machine"
    assert "mailbox" not in done.out


def test_a_deployment_that_is_not_there_is_told_before_the_log_is_read(runs: list[Path]) -> None:
    done = leadkeeper("replay", *CLUB, "--to", "kafka://127.0.0.1:1", "--no-contacts")
    assert done.code == 69, done
    assert "(--to)" in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    "words",
    [
        ("--speed", "bogus"), ("--speed", "-3x"), ("--speed", "inf"), ("--to", "broker:9092"), ("--to", "kafka://broker"),
        ("--live-from", "2024-12-31"), ("--live-from", "2026-01-01"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_words_end_with_64(runs: list[Path], words: tuple[str, str]) -> None:
    done = leadkeeper("replay", *CLUB, *words)
    assert done.code == 64, done
    assert " ".join(words) in done.err
    if words[0] == "--live-from":
        assert "the log runs from 2025-01-06 to 2025-05-06" in done.err
    else:
        assert done.out == "", "said before anything is read"


def test_a_log_without_a_single_event_says_why(runs: list[Path], tmp_path: Path) -> None:
    """A wrong time.format is the commonest reason."""
    wrong = tmp_path / "club.toml"
    wrong.write_text(Path(CLUB[2]).read_text().replace('column = "time"', 'column = "time"\nformat = "%d.%m.%Y"'))
    for command in ("train", "replay"):
        done = leadkeeper(command, CLUB[0], "--mapping", str(wrong))
        assert done.code == 78, done
        assert "time: does not fit time.format %d.%m.%Y, like '2025-01-06 15:39'" in done.err
        assert "no row of" in done.err
        assert "rejects.jsonl" in done.err


def test_training_tells_what_it_could_not_use(runs: list[Path], tmp_path: Path) -> None:
    done = leadkeeper("train", *CLUB, "--models", str(tmp_path))
    assert done.code == 0, done
    assert "5 rows are no events:" in done.err
    for line, field in BROKEN.items():
        assert re.search(rf"^ +1  {field}: .*\n +club\.csv line {line}: \w", done.err, re.MULTILINE), done.err
    (where,) = re.findall(r"its line and remedy: (\S+)$", done.err, re.MULTILINE)
    assert len((ROOT / where).read_text().splitlines()) == len(BROKEN)
