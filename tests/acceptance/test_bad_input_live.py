"""Bad input against a running product: each record ends as one dead letter, nothing stops, nothing is lost."""

import json
import re
from typing import NamedTuple

import pytest
from aiokafka import ConsumerRecord

from agents.writer import Out, partition_for
from schemas.dead_letters import DeadLetter
from schemas.errors import RejectReason
from schemas.topics import ASSESSMENTS, EVENTS, EVENTS_DLQ
from tests.acceptance.conftest import Deploy
from tests.acceptance.product import Product, Worker
from tests.acceptance.traffic import event
from tests.bad_input import BAD, KEY, NOW, ODD_BUT_VALID
from tests.polling import eventually

MS = int(NOW.timestamp() * 1000)


class Live(NamedTuple):
    """A deployment of one partition after the whole table went through it, each record followed by a valid event."""

    product: Product
    worker: Worker
    posted: list[Out]
    leads: list[str]


@pytest.fixture(scope="module")
def live(deploy: Deploy) -> Live:
    """The table, posted in one go."""
    product = deploy(1)
    worker = product.start("lead").wait_ready()
    topic = product.topic(EVENTS)
    leads = [f"after-{n}" for n in range(len(BAD))]
    posted = [Out(topic, 0, KEY, value, MS) for value in ODD_BUT_VALID.values()]
    for bad, lead in zip(BAD, leads, strict=True):
        posted += [Out(topic, 0, bad.key, bad.value, MS), event(product, lead, NOW, "item_viewed", "e1", item="x1")]
    worker.wait_folded(product.send(posted))
    return Live(product, worker, posted, leads)


def letters(product: Product) -> list[tuple[DeadLetter, ConsumerRecord]]:
    """What lies in the dead-letter topic."""
    return [(DeadLetter.from_headers(record.headers), record) for record in product.records(EVENTS_DLQ)]


def test_the_table_stays_below_what_trips_the_breaker(live: Live) -> None:
    assert 40 <= len(BAD) < len(live.posted) / 2 < 500


def test_each_bad_record_is_one_dead_letter_that_says_what_is_wrong(live: Live) -> None:
    by_offset = {letter.offset: (letter, record) for letter, record in letters(live.product)}
    places = range(len(ODD_BUT_VALID), len(live.posted), 2)
    for offset, bad in zip(places, BAD, strict=True):
        letter, record = by_offset[offset]
        found = (letter.reason, letter.field, letter.topic, letter.partition, letter.timestamp_ms)
        assert found == (bad.reason, bad.field, EVENTS.name, 0, MS), bad.name
        assert (record.key, record.value) == (bad.key, bad.value), bad.name
        assert letter.remedy, bad.name
    first = [letter.offset for letter, _ in letters(live.product) if letter.offset < len(live.posted)]
    assert sorted(first) == list(places), "each exactly once, and nothing valid among them"


def test_what_came_after_each_was_assessed_by_the_same_process(live: Live) -> None:
    assessed = {json.loads(record.value)["lead"] for record in live.product.records(ASSESSMENTS)}
    assert set(live.leads) <= assessed
    assert "L1" in assessed, "of the odd but valid ones"
    assert live.worker.running
    assert live.worker.ask("/ready")[0] == 200
    by_reason = live.worker.figures().by("leadkeeper_dead_letters_total", "reason")
    assert set(by_reason) == {str(bad.reason) for bad in BAD}


def test_list_tells_each_as_json_and_counts_them(live: Live) -> None:
    done = live.product.run("dlq", "list", "--json", "--limit", "100000", "--reason", "not_an_object")
    assert done.code == 0, done.err
    told = [DeadLetter.model_validate_json(line) for line in done.out.splitlines()]
    assert told == [letter for letter, _ in letters(live.product) if letter.reason == "not_an_object"]
    assert len(told) >= sum(bad.reason == "not_an_object" for bad in BAD)


def test_list_shows_whole_ids_in_80_columns(live: Live) -> None:
    done = live.product.run("dlq", "list", "--limit", "5", "--reason", "missing_field")
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 80
    found = [letter for letter, _ in letters(live.product) if letter.reason == RejectReason.MISSING_FIELD]
    assert re.findall(r"^dlq-\w+", done.out, re.MULTILINE) == [letter.id for letter in found[-5:]]
    assert f"{len(found)} in all, the newest 5 shown\n" in done.out
    assert f"{len(found)}  missing_field ({EVENTS.name})\n" in done.out


def test_show_gives_reason_remedy_and_the_bytes_as_they_came(live: Live) -> None:
    product = live.product
    nasty = b'{"v":1,"type":"[/red] :smile: [bold]","note":"\xff"}'
    product.send([Out(product.topic(EVENTS), 0, b"acme:[/x]", nasty, MS)])
    letter, _ = eventually(lambda: next((each for each in letters(product) if each[1].value == nasty), None)) or (
        None,
        None,
    )
    assert letter
    done = product.run("dlq", "show", letter.id)
    assert done.code == 0, done.err
    for told in (letter.id, letter.reason, letter.remedy, f"{letter.offset}", "b'acme:[/x]'"):
        assert told in done.out
    assert nasty.decode(errors="backslashreplace") in done.out
    assert product.run("dlq", "show", "dlq-nowhere").code == 66


def test_redrive_sends_the_same_bytes_and_they_are_rejected_anew(live: Live) -> None:
    product = live.product
    reason = RejectReason.UNKNOWN_VERSION
    before = [(letter.id, record.key, record.value) for letter, record in letters(product) if letter.reason == reason]
    assert len(before) >= 3
    dry = product.run("dlq", "redrive", "--reason", reason)
    assert dry.code == 0, dry.err
    assert dry.out.startswith(f"would send {len(before)}: ")
    done = product.run("dlq", "redrive", "--reason", reason, "--go")
    assert done.code == 0, done.err
    told = re.fullmatch(r"sent (\d+)(?: of \1)?: (.*)\n", done.out)
    assert told, done.out
    assert (int(told[1]), json.loads(told[2])) == (len(before), {f"{EVENTS.name} {reason}": len(before)})

    def again() -> list[tuple[str, bytes, bytes]]:
        found = [
            (letter.id, record.key, record.value) for letter, record in letters(product) if letter.reason == reason
        ]
        return found if len(found) >= 2 * len(before) else []

    after = eventually(again, what="new dead letters")
    assert len(after) == 2 * len(before), "the dry run sent nothing"
    assert len({letter for letter, *_ in after}) == len(after), "they are new ones"
    assert [each[1:] for each in after] == [each[1:] for each in before] * 2
    sent = [record for record in product.inbox() if record.offset >= len(live.posted)]
    assert not any(name.startswith("leadkeeper.") for record in sent for name, _ in record.headers)


def test_redrive_of_one_and_of_none(live: Live) -> None:
    product = live.product
    letter, _ = next(each for each in letters(product) if each[0].reason == RejectReason.NULL_VALUE)
    assert re.match(r"sent 1(?: of 1)?: ", product.run("dlq", "redrive", letter.id, "--go").out)
    count = sum(bad.reason == RejectReason.NULL_VALUE for bad in BAD) + 1
    eventually(lambda: sum(found.reason == RejectReason.NULL_VALUE for found, _ in letters(product)) == count)
    none = product.run("dlq", "redrive", "--reason", "no_such_reason", "--go")
    assert none.code == 66
    assert "dlq list" in none.err


def test_too_many_in_a_row_pause_the_partition_until_a_restart(deploy: Deploy) -> None:
    product = deploy(2)
    worker = product.start("lead").wait_ready()
    topic = product.topic(EVENTS)
    leads = {p: [n for n in map(str, range(40)) if _home(product, n) == p][:3] for p in range(2)}

    def viewed(partition: int, nth: int) -> Out:
        return event(product, leads[partition][nth], NOW, "item_viewed", f"e{nth}", item="x1")

    garbage = [Out(topic, 0, KEY, b'{"broken": %d' % n, MS) for n in range(60)]
    worker.wait_folded(product.send([viewed(0, 0), viewed(1, 0), *garbage]))
    eventually(lambda: worker.ask("/ready")[0] == 503, what="not ready")
    body = json.loads(worker.ask("/ready")[1])
    assert (body["ready"], body["paused"]) == (False, [f"{topic}[0]"])
    assert worker.ask("/health")[0] == 200, "a restart by a supervisor would not help"
    assert worker.figures().sum("leadkeeper_paused_partitions") == 1
    assert "60 x not_json" in worker.log

    product.send([viewed(0, 1), viewed(1, 1)])
    worker.wait_for("leadkeeper_events_total", 3)
    assert worker.figures().sum("leadkeeper_events_total") == 3, "the other partition goes on, this one waits"
    assert worker.stop() == 0

    again = product.start("lead").wait_ready()
    again.wait_for("leadkeeper_events_total", 1)
    product.send([viewed(0, 2), viewed(1, 2)])
    again.wait_for("leadkeeper_events_total", 3)
    assert again.figures().sum("leadkeeper_events_total") == 3, "the one that waited, and two new ones"
    assert again.figures().sum("leadkeeper_paused_partitions") == 0
    assert len(letters(product)) == len(garbage)
    assessed = {json.loads(record.value)["lead"] for record in product.records(ASSESSMENTS)}
    assert assessed == {*leads[0], *leads[1]}


def _home(product: Product, lead: str) -> int:
    return partition_for(f"{product.tenant}:{lead}".encode(), product.partitions)
