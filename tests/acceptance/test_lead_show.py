"""`leadkeeper lead show` tells what happened; what was dead-lettered did not happen, and is told as such."""

import json
import math

import pytest

from agents.cli.lead import COLOURS
from agents.writer import Out, partition_for
from schemas.topics import ASSESSMENTS, EVENTS
from tests.acceptance.conftest import Deploy
from tests.acceptance.product import Product
from tests.acceptance.traffic import day, event

LEAD = "L-1001"


@pytest.fixture(scope="module")
def product(deploy: Deploy) -> Product:
    """One lead: two good events, three that are rejected; then one of those is sent again, repaired."""
    product = deploy(2)
    worker = product.start("lead").wait_ready()
    key = f"{product.tenant}:{LEAD}".encode()
    partition, topic = partition_for(key, product.partitions), product.topic(EVENTS)
    wrong = json.loads(event(product, LEAD, day(1), "item_viewed", "e2", item="listing-7").value or b"")
    sent = [
        event(product, LEAD, day(0), "item_viewed", "e1", item="listing-7"),
        event(product, LEAD, day(1), "item_viewed", "e2"),
        Out(topic, partition, key, b"{oops", int(day(2).timestamp() * 1000)),
        Out(topic, partition, key, json.dumps(wrong | {"id": "e3", "lead": "other"}).encode(), None),
        event(product, LEAD, day(3), "item_viewed", "e2", item="listing-8"),
        event(product, LEAD, day(4), "lead_assessed", "e4"),
    ]
    worker.wait_folded(product.send(sent))
    return product


def test_a_rejected_event_is_told_with_its_reason_not_as_if_it_had_happened(product: Product) -> None:
    done = product.run("lead", "show", product.tenant, LEAD, "--json")
    assert done.code == 0, done.err
    told = [json.loads(line) for line in done.out.splitlines()]
    happened = [line["text"] for line in told if line["kind"] == "event"]
    assert happened == ["item viewed (item listing-7)", "item viewed (item listing-8)"]
    rejected = [line["text"].partition(" (dead-lettered: ") for line in told if line["kind"] == "rejected"]
    assert [what.partition(": ")[::2] for what, *_ in rejected if "not_json" not in what] == [
        ("item viewed", "missing_field: item: is missing"),
        ("item viewed", "key_mismatch: lead: key and body name different leads"),
        ("lead assessed", "unknown_type: type: is not a known type"),
    ]
    assert [what.startswith("record: not_json: value: ") for what, *_ in rejected].count(True) == 1
    for *_, letter in rejected:
        assert product.run("dlq", "show", letter.removesuffix(")")).code == 0
    assert {line["kind"] for line in told} <= set(COLOURS)


def test_why_tells_decisions_and_risk_only(product: Product) -> None:
    done = product.run("why", product.tenant, LEAD, "--json")
    assert done.code == 0, done.err
    assert {json.loads(line)["kind"] for line in done.out.splitlines()} == {"risk"}
    assert product.run("why", product.tenant, LEAD, "--step", "call_task").code == 66


def test_dead_letters_fit_eighty_columns_and_those_of_the_inbox_can_be_sent_again(product: Product) -> None:
    done = product.run("dlq", "list", "--topic", EVENTS.name)
    assert done.code == 0, done.err
    assert "\n  item: is missing\n" in done.out
    assert f"missing_field  {EVENTS.name}[" in done.out
    assert "4 in all" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert "leadkeeper dlq redrive --reason" in done.out
    assert "cannot be sent again" not in done.out


def test_a_lead_is_explained_from_its_state(product: Product) -> None:
    told, machine, nobody = (
        product.run("lead", "explain", product.tenant, LEAD),
        product.run("lead", "explain", product.tenant, LEAD, "--json"),
        product.run("lead", "explain", product.tenant, "L-nobody"),
    )
    assert told.code == 0, told.err
    assert max(map(len, told.out.splitlines())) <= 80
    assert f"{product.tenant}:{LEAD}: " in told.out
    assert "2 signs of life so far" in told.out
    assert "engagement" in told.out
    found = json.loads(machine.out)
    last = json.loads(product.records(ASSESSMENTS)[-1].value)
    assert found["probability"] == pytest.approx(last["probability"], abs=0.02), "published once it moves by as much"
    assert found["base"] == pytest.approx(-3.2, abs=1e-6), "of the rule"
    assert sum(found["effects"].values()) + found["base"] == pytest.approx(
        math.log(found["probability"] / (1 - found["probability"])), abs=1e-4
    )
    assert 0 <= found["confidence"] <= 1
    assert found["time_to_churn"] is None
    assert found["recommended"] == [], "it is in no stage"
    assert "recommended, the most promising first: nothing" in told.out
    assert found["last"]["at"] == last["at"].replace("Z", "+00:00")
    if (
        shift := found["shift"]
    ) is not None:  # an event after the last assessment may have overwritten what was known then
        assert shift["change"] == pytest.approx(found["probability"] - last["probability"], abs=1e-5)
    for words in (
        "confidence ",
        "time to churn: this version has no model",
        "since the last assessment",
        "With the base",
    ):
        assert words in told.out
    assert nobody.code == 66
