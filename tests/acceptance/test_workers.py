"""The three kinds of workers side by side: what they say of themselves, how they stop, that nothing is done again."""

import json
import re
from typing import NamedTuple

import pytest
from aiokafka import ConsumerRecord
from redis import Redis

from agents import metrics
from agents.views import STAGES
from agents.writer import Out, partition_for
from schemas.topics import ASSESSMENTS, ESCALATIONS, INTERVENTIONS, LEDGER, OUTCOMES
from schemas.units import Channel
from tests.acceptance.conftest import Deploy
from tests.acceptance.product import Product, Worker
from tests.acceptance.traffic import day, event, messages, tick
from tests.polling import eventually
from tests.worlds import ROOT, lead_named

PARTITIONS = 2
DECLARED = {family.name for family in metrics.REGISTRY.collect()}


class AtWork(NamedTuple):
    """A deployment after leads without an address fell silent: messages to them lie in the app."""

    product: Product
    workers: dict[str, Worker]
    leads: list[str]


@pytest.fixture(scope="module")
def at_work(deploy: Deploy) -> AtWork:
    """All workers, and everything settled."""
    product = deploy(PARTITIONS)
    workers = {
        "lead": product.start("lead"),
        "in_app": product.start("couriers", "--channel", "in_app"),
        "report": product.start("report"),
    }
    for worker in workers.values():
        worker.wait_ready()
    leads = [lead_named(name, tenant=product.tenant, out=False) for name in "abcdef"]
    sent = product.send(messages(product, leads, 0))
    # Day 7 for the first stage; then the days on which its message may go out.
    for n in (7, 8, 9):
        sent += product.send(tick(product, n))
    workers["lead"].wait_folded(sent)
    commands = {json.loads(record.value)["id"] for record in product.records(INTERVENTIONS[Channel.IN_APP])}
    assert commands, "nothing to deliver: the traffic does not test the courier"
    workers["in_app"].wait_for("leadkeeper_sends", len(commands), state="sent")
    sent += len(receipts(product, len(commands)))
    workers["lead"].wait_folded(sent)
    return AtWork(product, workers, leads)


def receipts(product: Product, at_least: int) -> list[ConsumerRecord]:
    """What couriers reported."""

    def found() -> list[ConsumerRecord]:
        told = [record for record in product.inbox() if json.loads(record.value)["type"] == "receipt"]
        return told if len(told) >= at_least else []

    return eventually(found, what=f"{at_least} receipts")


def written(product: Product) -> dict[str, int]:
    """How much was concluded, ordered and noted; the empty records with which an owner marks its start do not count."""
    topics = (ASSESSMENTS, INTERVENTIONS[Channel.IN_APP], LEDGER)
    return {topic.name: sum(bool(record.value) for record in product.records(topic)) for topic in topics}


@pytest.mark.parametrize("name", ["lead", "in_app", "report"])
def test_each_tells_all_metrics_and_that_it_is_well(at_work: AtWork, name: str) -> None:
    worker = at_work.workers[name]
    status, text = worker.ask("/metrics")
    assert status == 200
    told = set(re.findall(r"^# TYPE (\w+?)(?:_total)? ", text, re.MULTILINE))
    assert told >= DECLARED, DECLARED - told
    status, text = worker.ask("/health")
    assert (status, json.loads(text)["status"]) == (200, "ok")
    status, text = worker.ask("/ready")
    body = json.loads(text)
    assert (status, body["ready"], body["recovered"], body["paused"]) == (200, True, True, [])
    assert body["partitions"] == PARTITIONS * (4 if name == "report" else 1)
    assert worker.ask("/nowhere")[0] == 404
    worker.wait_for("leadkeeper_records", 1)
    worker.wait_for("leadkeeper_last_commit_seconds", 1)


def test_the_figures_are_those_of_the_topics(at_work: AtWork) -> None:
    product, lead = at_work.product, at_work.workers["lead"].figures()
    inbox = [json.loads(record.value)["type"] for record in product.inbox()]
    assert lead.by("leadkeeper_events_total", "type") == {kind: inbox.count(kind) for kind in set(inbox)}
    assert lead.sum("leadkeeper_assessments_total") == len(product.records(ASSESSMENTS))
    assert lead.sum("leadkeeper_leads") == len(at_work.leads)
    commands = {record.value for record in product.records(INTERVENTIONS[Channel.IN_APP])}
    assert lead.sum("leadkeeper_decisions_total", verdict="sent", channel="in_app") == len(commands)
    assert lead.sum("leadkeeper_event_to_command_seconds_count") == 0, "a replay's timestamps are no arrival times"
    courier = at_work.workers["in_app"].figures()
    assert courier.sum("leadkeeper_sends", channel="in_app", state="sent") == len(commands)


def test_the_report_passes_over_what_a_stranger_wrote_and_says_so(at_work: AtWork) -> None:
    product, report = at_work.product, at_work.workers["report"]
    ours = {
        **json.loads((ROOT / "schemas/examples/analytics.outcomes/episode_closed.json").read_text()),
        "value_cents": 700,
    }
    told = [b"\xff\x00", b"[]", b'{"type":"episode_closed"}', json.dumps(ours).encode()]
    before = report.figures().sum("leadkeeper_saved_cents_total")
    product.send([Out(product.topic(OUTCOMES), 0, b"harbour:x", value) for value in told])
    eventually(
        lambda: report.figures().sum("leadkeeper_saved_cents_total") == before + 700, what="the one that is well"
    )
    reasons = report.figures().by("leadkeeper_unreadable_records_total", "reason")
    assert reasons == {"not_utf8": 1, "not_an_object": 1, "missing_field": 1}
    assert report.log.count("is left out of the report") == 3


def test_the_report_fills_its_views(at_work: AtWork, redis_url: str) -> None:
    product, report = at_work.product, at_work.workers["report"]
    last: dict[str, str] = {}
    for record in product.records(ASSESSMENTS):
        body = json.loads(record.value)
        last[f"{body['tenant']}:{body['lead']}"] = body["stage"]
    wanted = {stage: {lead for lead, now in last.items() if now == stage} for stage in STAGES}
    with Redis.from_url(redis_url, decode_responses=True) as redis:

        def held() -> dict[str, set[str]]:
            keys = {stage: f"{product.prefix}view:stage:{stage}" for stage in STAGES}
            return {stage: set(redis.smembers(key)) for stage, key in keys.items()}

        eventually(lambda: held() == wanted, what=f"views as {wanted}")
        assert redis.hget(f"{product.prefix}view:lead:{product.tenant}:{at_work.leads[0]}", "stage") != "none"

    def shown() -> bool:
        counts = report.figures().by("leadkeeper_stage_leads", "stage")
        return counts == {stage: len(leads) for stage, leads in wanted.items() if leads}

    eventually(shown, what="the gauge")
    open_now = {json.loads(r.value)["id"] for r in product.records(ESCALATIONS)}
    assert report.figures().sum("leadkeeper_open_escalations") == len(open_now)


def test_a_message_is_read_acknowledged_and_in_the_ledger(at_work: AtWork) -> None:
    product = at_work.product
    command = json.loads(product.records(INTERVENTIONS[Channel.IN_APP])[0].value)
    who = (product.tenant, command["lead"])
    read = product.run("inbox", "read", *who)
    assert read.code == 0, read.err
    assert re.search(rf"{command['id']}\s+new", read.out)
    assert len(read.out.splitlines()) > 1, "with its text"
    assert product.run("inbox", "acknowledge", *who, command["id"]).out == "acknowledged\n"
    assert re.search(rf"{command['id']}\s+acknowledged 20", product.run("inbox", "read", *who).out)
    wrong = product.run("inbox", "acknowledge", *who, "int-nowhere")
    assert wrong.code == 66
    ledger = product.run("ledger", "list")
    assert ledger.code == 0, ledger.err
    assert command["id"] in ledger.out
    assert max(map(len, ledger.out.splitlines())) <= 80
    ids = {json.loads(record.value)["id"] for record in product.records(LEDGER) if record.value}
    assert f"in_app sent {len(ids)}" in ledger.out


def test_lead_show_tells_the_story(at_work: AtWork) -> None:
    product = at_work.product
    command = json.loads(product.records(INTERVENTIONS[Channel.IN_APP])[0].value)
    done = product.run("lead", "show", product.tenant, command["lead"], "--json")
    assert done.code == 0, done.err
    told = [json.loads(line) for line in done.out.splitlines()]
    assert {line["kind"] for line in told} >= {"event", "risk", "decision", "command", "receipt"}
    assert [line["at"] for line in told] == sorted(line["at"] for line in told)
    assert sum(line["kind"] == "event" for line in told) == 5


def test_a_stop_is_clean_and_a_restart_does_nothing_again(at_work: AtWork) -> None:
    product, workers = at_work.product, at_work.workers
    before = written(product)
    codes = {name: workers[name].stop() for name in ("in_app", "report", "lead")}
    assert codes == {"in_app": 0, "report": 0, "lead": 0}
    again = {
        "lead": product.start("lead"),
        "in_app": product.start("couriers", "--channel", "in_app"),
        "report": product.start("report"),
    }
    for worker in again.values():
        worker.wait_ready()
    homes = {partition_for(f"{product.tenant}:{lead}".encode(), PARTITIONS): lead for lead in map(str, range(20))}
    marks = [event(product, lead, day(9.1), "item_viewed", "mark", item="x1") for lead in homes.values()]
    again["lead"].wait_folded(product.send(marks))
    figures = again["lead"].figures()
    assert figures.by("leadkeeper_events_total", "type") == {"item_viewed": PARTITIONS}, "only what is new"
    assert figures.sum("leadkeeper_skipped_total") == 0
    assert figures.sum("leadkeeper_leads") == len(at_work.leads) + PARTITIONS, "the others were recovered"
    again["report"].wait_for("leadkeeper_records", PARTITIONS)
    assert again["report"].figures().sum("leadkeeper_records") == PARTITIONS, "their assessments, no older ones"
    assert again["in_app"].figures().sum("leadkeeper_sends") == 0
    assert written(product) == {**before, ASSESSMENTS.name: before[ASSESSMENTS.name] + PARTITIONS}
