"""The command line: help with examples, errors that name what is wrong and what to do, exit codes for scripts."""

import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from agents.child import LOOPBACK, free_port
from agents.cli.main import app
from agents.model import MODEL_FILE
from agents.writer import partition_for
from schemas.topics import ALL, EVENTS
from tests.acceptance.conftest import Deploy, Models
from tests.acceptance.product import POLICY_FILE, Ended, Product, leadkeeper

COLOURS = re.compile(r"\x1b\[[\d;]*m")


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command there is, by its words."""
    inner = getattr(group, "commands", None)
    if inner is None:
        yield path
        return
    for name, command in inner.items():
        yield from commands(command, (*path, name))


COMMANDS = sorted(commands(typer.main.get_command(app)))


@pytest.fixture(scope="module")
def product(deploy: Deploy) -> Product:
    """Topics, and nobody at work."""
    return deploy(2)


def together(*calls: tuple[tuple[str, ...], dict[str, str]]) -> list[Ended]:
    """Two commands at a time: each takes a second to import what it needs."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda call: leadkeeper(*call[0], **call[1]), calls))


def test_there_are_the_commands_that_the_readme_names() -> None:
    told = {" ".join(words) for words in COMMANDS}
    assert told >= {
        "demo", "replay", "train", "worker lead", "worker couriers", "worker report", "topics create", "topics check",
        "lead show", "dlq list", "dlq show", "dlq redrive", "ledger list", "inbox read", "inbox acknowledge",
        "model list", "model show", "model promote", "policy check", "policy show", "policy diff",
        "policy test", "policy publish", "policy activate", "policy watch", "policy act",
    }  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_explains_every_option_and_has_an_example(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"], prog_name="leadkeeper", env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    text = COLOURS.sub("", done.output)
    assert re.search(rf"Example: .*leadkeeper {' '.join(words)}\b", text), text
    command: Any = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    assert command.help
    mute = [p.name for p in command.params if not getattr(p, "help", None) and p.name not in {"letter_id", "message"}]
    assert mute == [], "say what they are for"


def test_help_of_the_program_itself() -> None:
    done = leadkeeper("--help")
    assert done.code == 0
    assert {words[0] for words in COMMANDS} <= set(re.findall(r"^│ (\w+)", done.out, re.MULTILINE))
    assert not COLOURS.search(done.out), "no colours in a pipe"
    assert max(map(len, done.out.splitlines())) <= 80


def test_wrong_words_end_with_64() -> None:
    for done in together(
        (("bogus",), {}),
        (("topics", "create", "--partitions", "many"), {}),
        (("replay", "--mapping", "cdnow"), {}),
    ):
        assert done.code == 64, done
        assert done.err
        assert "Traceback" not in done.err


def test_no_broker_ends_with_69_and_names_the_setting() -> None:
    nowhere = {"bootstrap": f"{LOOPBACK}:{free_port()}"}
    for done in together(
        (("topics", "check"), nowhere),
        (("worker", "lead", "--processes", "0"), nowhere),
        (("dlq", "list"), nowhere),
        (("ledger", "list"), nowhere),
        (("lead", "show", "acme", "L1"), nowhere),
    ):
        assert done.code == 69, done
        assert "LEADKEEPER_BOOTSTRAP" in done.err
        assert nowhere["bootstrap"] in done.err
        assert "Traceback" not in done.err


def test_no_redis_ends_with_69_and_names_the_setting() -> None:
    nowhere = {"redis_url": f"redis://{LOOPBACK}:{free_port()}/0"}
    for done in together(
        (("inbox", "read", "acme", "L1"), nowhere), (("inbox", "acknowledge", "acme", "L1", "i1"), nowhere)
    ):
        assert done.code == 69, done
        assert "LEADKEEPER_REDIS_URL" in done.err
        assert "Traceback" not in done.err


def test_topics_are_checked_before_and_after_they_are_created(product: Product) -> None:
    fresh = {**product.settings, "topic_prefix": product.prefix + "fresh."}
    before = leadkeeper("topics", "check", **fresh)
    assert before.code == 1
    assert before.out.count("leadkeeper topics create") == len(ALL)
    assert f"{product.prefix}fresh.{EVENTS.name} does not exist" in before.out
    lost = leadkeeper("worker", "lead", "--processes", "0", **fresh)
    assert lost.code == 69
    assert "topics create" in lost.err
    made = leadkeeper("topics", "create", "--partitions", "3", **fresh)
    assert (made.code, made.out.strip()) == (0, f"created {len(ALL)} topics, 3 partitions each")
    after = leadkeeper("topics", "check", **fresh)
    assert after.code == 0
    assert f"{len(ALL)} topics with 3 partitions each" in after.out
    again = leadkeeper("topics", "create", "--partitions", "5", **fresh)
    assert (again.code, again.out.strip()) == (0, "created 0 topics: all were there")


def test_a_wrong_setting_ends_with_78_and_names_the_variable(product: Product) -> None:
    for words, name, value in (
        (("worker", "lead", "--processes", "0"), "tick_s", "-1"),
        (("worker", "couriers", "--channel", "email"), "smtp_port", "many"),
    ):
        done = product.run(*words, **{name: value})
        assert done.code == 78, done
        assert f"LEADKEEPER_{name.upper()}" in done.err
        assert "Traceback" not in done.err


def test_an_unknown_key_of_a_policy_ends_with_78_and_is_named(product: Product, tmp_path: Path) -> None:
    file = tmp_path / "typo.toml"
    file.write_text(POLICY_FILE.read_text().replace("max_per_day = 1", "max_pre_day = 1"))
    for words in (("policy", "check", str(file)), ("worker", "lead", "--processes", "0")):
        done = product.run(*words, policy=str(file))
        assert done.code == 78, done
        assert "caps.max_pre_day" in done.err
        assert file.name in done.err
    right = leadkeeper("policy", "check", str(POLICY_FILE))
    assert right.code == 0
    assert "valid" in right.out


def test_an_unknown_key_of_a_mapping_ends_with_78_and_is_named(tmp_path: Path) -> None:
    log, mapping = tmp_path / "log.csv", tmp_path / "typo.toml"
    log.write_text("who,when\n1,2024-05-01\n")
    mapping.write_text(
        'name = "typo"\nlead = { id = "{who}" }\ntime = { colunm = "when" }\nkinds = [{ event = "page_viewed" }]\n'
    )
    for words in (("replay", str(log), "--no-train"), ("train", str(log))):
        done = leadkeeper(*words, "--mapping", str(mapping))
        assert done.code == 78, done
        assert "time.colunm: unknown key" in done.err
        assert "time.column: is missing" in done.err
        assert mapping.name in done.err


def test_a_lead_or_letter_that_is_not_there_ends_with_66(product: Product) -> None:
    lead, redrive, listed = together(
        (("lead", "show", "acme", "nobody"), product.settings),
        (("dlq", "redrive", "--go"), product.settings),
        (("dlq", "list"), product.settings),
    )
    assert lead.code == 66
    assert "acme:nobody" in lead.err
    assert redrive.code == 66
    assert (listed.code, listed.out.strip()) == (0, "no dead letters")


def test_a_channel_without_a_courier_is_explained() -> None:
    done = leadkeeper("worker", "couriers", "--channel", "sms")
    assert done.code == 78
    assert "interventions.sms" in done.err
    assert "consumers of yours" in done.err
    assert "Served: agent_alert, email, in_app, webhook" in done.err


def test_an_empty_ledger_and_an_empty_inbox_say_so(product: Product) -> None:
    inbox = (product.tenant, "L1")
    empty, sure, unread, unknown = together(
        (("ledger", "list"), product.settings),
        (("ledger", "list", "--in-doubt"), product.settings),
        (("inbox", "read", *inbox), product.settings),
        (("inbox", "acknowledge", *inbox, "int-1"), product.settings),
    )
    assert (empty.code, empty.out.strip()) == (0, "the ledger is empty")
    assert (sure.code, sure.out.strip()) == (0, "nothing is in doubt")
    assert (unread.code, unread.out.strip()) == (0, f"no messages for {product.tenant}:L1")
    assert unknown.code == 66
    assert "leadkeeper inbox read" in unknown.err


def test_a_model_that_was_changed_is_not_put_in_force(product: Product, models: Models, tmp_path: Path) -> None:
    folder = shutil.copytree(models.folder / models.version, tmp_path / models.version)
    text = (folder / MODEL_FILE).read_bytes()
    (folder / MODEL_FILE).write_bytes(text.replace(b"leaf_value=", b"leaf_value=9", 1))
    home = {**product.settings, "models": str(tmp_path)}
    changed, missing = together((("model", "promote", models.version), home), (("model", "promote", "m-none"), home))
    assert changed.code == 78, changed
    assert "SHA-256" in changed.err
    assert missing.code == 78
    assert "m-none" in missing.err
    assert product.inbox() == [], "no worker was told"


def test_a_trained_model_is_listed_and_shown(models: Models) -> None:
    assert "recency alone" in models.said
    assert f"leadkeeper model promote {models.version}" in models.said
    found, shown = together(
        (("model", "list", "--models", str(models.folder)), {}), (("model", "show"), {"models": str(models.folder)})
    )
    assert re.fullmatch(rf"{models.version}  AUC 0\.\d+, log loss 0\.\d+\n", found.out)
    assert models.version in shown.out


def test_events_of_a_file_are_sent_under_their_leads_key(product: Product, tmp_path: Path) -> None:
    """Last of this file: others count on an empty inbox."""
    file = tmp_path / "events.jsonl"
    one = {"type": "item_viewed", "tenant": product.tenant, "at": "2026-02-28T09:00:00Z", "item": "x"}
    lines = [json.dumps(one | {"id": f"e{n}", "lead": f"L{n}"}) for n in range(20)]
    file.write_text("\n".join([*lines, "{}"]))
    done = product.run("send", "--history", str(file))
    assert done.code == 1, done.err
    assert "sent 20 events to" in done.out
    assert "refused 1: missing_field 1" in done.out
    assert f"{file}:21: type: is missing" in done.err
    assert "2 events may be sent" in product.run("send", "--check", "--history", "--after", "18", str(file)).out
    found = {(r.key, r.partition) for r in product.inbox()}
    keys = [f"{product.tenant}:L{n}".encode() for n in range(20)]
    assert found == {(key, partition_for(key, 2)) for key in keys}
