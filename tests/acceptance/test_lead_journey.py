"""`leadkeeper lead journey`: where a lead is on the way, from the topics of a real broker; and its campaign in `lead show` and `why`."""

import json
from itertools import count

import pytest
from typer.testing import CliRunner

from agents.cli.main import app
from tests.acceptance.conftest import Deploy
from tests.acceptance.product import Product
from tests.acceptance.traffic import day, event, tick
from tests.polling import eventually
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


def test_operators_order_from_the_command_line(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ordered, listed, agreed to, taken on and resolved; what is not there, or is wrong, is told with a code of its own."""
    for name, value in product.settings.items():
        monkeypatch.setenv(f"LEADKEEPER_{name.upper()}", value)
    lead, days = (product.tenant, lead_of(product)), count(22)

    def look(*words: str) -> str:
        done = CliRunner().invoke(app, ["order", *words])
        assert done.exit_code == 0, done.output
        return done.output

    def order(*words: str) -> tuple[int, str]:
        at = f"{day(next(days) / 10):%Y-%m-%dT%H:%M:%S}"
        done = CliRunner().invoke(app, ["order", *words, "--by", "kim", "--at", at])
        return done.exit_code, done.output

    own = ("--stage", "critical_risk", "--action", "special_offer", "--channel", "crm_task", "--template")
    assert order("trigger", *lead, *own, "critical_risk.crm_task")[0] == 0
    eventually(lambda: "ordered_1 by crm_task" in look("waiting", *lead), what="the step to wait for a yes")
    assert "(approval)" in look("waiting", lead[0])
    assert order("approve", *lead, "int-nonsense")[0] == 66
    assert order("approve-waiting", lead[0], "--rule", "blast_radius")[0] == 66
    assert "ordered: no to 1 step" in order("approve-waiting", lead[0], "--rule", "approval", "--no")[1]
    eventually(lambda: "no step waits" in look("waiting", *lead), what="the answer to be heard")
    assert order("approve", *lead)[0] == 66

    assert order("escalate", *lead, "--reason", "asks for a manager")[0] == 0
    eventually(lambda: "asks for a manager" in look("escalations", *lead), what="an open escalation")
    assert order("acknowledge", *lead)[0] == 0
    eventually(lambda: "acknowledged, " in look("escalations", lead[0]), what="it to be taken on")
    assert order("snooze", *lead, "--until", "2026-01-01", "--reason", "later")[0] == 64
    assert order("snooze", *lead, "--until", "2026-03-01", "--reason", "later")[0] == 0
    assert order("resolve", *lead, "--outcome", "called")[0] == 0
    eventually(lambda: "no escalation is open" in look("escalations", *lead), what="it to be resolved")
    assert order("resolve", *lead, "--outcome", "called")[0] == 66

    assert order("cancel", *lead, "--reason", "spoke to her")[0] == 0
    code, said = order("trigger", *lead, "--stage", "none")
    assert (code, "stage: 'none' is not possible" in said) == (64, True)
    assert order("trigger", lead[0], "L-nobody", "--stage", "active_risk")[0] == 66
    assert order("trigger", *lead, "--stage", "active_risk", "--action", "immediate_call")[0] == 64
