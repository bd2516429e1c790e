"""`leadkeeper lead journey`: where a lead is on the way, from the topics of a real broker; and its campaign in `lead show` and `why`."""

import json

import pytest

from tests.acceptance.conftest import Deploy
from tests.acceptance.product import Product
from tests.acceptance.traffic import day, event, tick
from tests.worlds import lead_named


def lead_of(product: Product) -> str:
    """One that is not held out."""
    return lead_named("L-", tenant=product.tenant, out=False)


@pytest.fixture(scope="module")
def product(deploy: Deploy) -> Product:
    """One lead books a viewing and misses it; the mail about it has gone out two hours later."""
    product = deploy(2)
    worker, lead = product.start("lead").wait_ready(), lead_of(product)
    sent = [
        event(product, lead, day(0), "profile_updated", "p1", name="Ann", email="ann@example.com"),
        event(product, lead, day(0.1), "item_viewed", "e1", item="listing-7"),
        event(product, lead, day(1), "custom", "e2", kind="viewing_booked"),
        event(product, lead, day(2), "custom", "e3", kind="viewing_missed"),
        *tick(product, 2.1),
    ]
    worker.wait_folded(product.send(sent))
    return product


def test_a_journey_is_told_with_what_is_not_known_of_it(product: Product) -> None:
    lead = lead_of(product)
    told, machine, nobody = (
        product.run("lead", "journey", product.tenant, lead),
        product.run("lead", "journey", product.tenant, lead, "--json"),
        product.run("lead", "journey", product.tenant, "L-nobody"),
    )
    assert told.code == 0, told.err
    assert max(map(len, told.out.splitlines())) <= 80
    assert f"{product.tenant}:{lead}: viewing, 2 of 6, since 2026-01-06" in told.out
    assert "viewing_missed" in told.out
    assert "not enough data: 0 settled in this stage" in told.out
    found = json.loads(machine.out)
    assert (found["stage"], found["blockers"], found["stalled"]) == ("viewing", ["viewing_missed"], False)
    assert [(left["stage"], left["how"]) for left in found["before"]] == [("prospect", "moved_on")]
    assert nobody.code == 66


def test_how_journeys_go_is_told_by_stage(product: Product) -> None:
    done = product.run("lead", "journeys", product.tenant)
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 80
    rows = [line.split()[:6] for line in done.out.splitlines()[1:3]]
    assert rows == [["prospect", "1", "0", "1", "0", "0"], ["viewing", "1", "1", "0", "0", "0"]]
    assert product.run("lead", "journeys", "nobody").code == 66


def test_the_campaign_is_in_the_story_and_in_why(product: Product) -> None:
    lead = lead_of(product)
    story, why = product.run("lead", "show", product.tenant, lead), product.run("why", product.tenant, lead, "--json")
    assert "prospect -> viewing (viewing_booked;" in story.out
    decisions = [line["text"] for line in map(json.loads, why.out.splitlines()) if line["kind"] == "decision"]
    assert decisions[0].startswith("begun: missed_viewing (campaign: viewing_missed)")
    assert decisions[-1].startswith("sent: another_time by email of missed_viewing (campaign:")
