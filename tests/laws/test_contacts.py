"""Whom we contact, how often, and when: against a model of the rules that knows nothing of the code."""

from __future__ import annotations

import json

from hypothesis import given

from schemas.topics import ESCALATIONS
from streams.holdout import held_out
from streams.lead import Message
from tests.laws.histories import MODEST, histories, watching
from tests.laws.reader import (
    CALLS,
    REACHES_LEAD,
    Pairs,
    body_of,
    deliveries,
    never_in_quiet_hours,
    never_more_than_the_cap_in_any_window,
)
from tests.laws.world import ENV, LEADS, POLICIES, rules_of
from tests.worlds import trace


@given(log=histories())
def test_whom_we_contact_how_often_and_when(log: list[Message]) -> None:
    """The laws below, for every command that reaches a lead, by the version of the policy that it names."""
    pairs = trace(log, ENV)
    only_an_operators_order_escalates_a_held_out_lead(pairs)
    for (tenant, lead), command, known in deliveries(pairs):
        rules = rules_of(POLICIES, tenant, command["policy_version"])
        assert not held_out(rules.holdout, tenant, lead), "never to a held-out lead, by no channel at all"
        known.is_not_closed(command)
        if command["channel"] in REACHES_LEAD:
            never_more_than_the_cap_in_any_window(command, known, rules)
            never_in_quiet_hours(command, known, rules)
            known.agrees_to(command["channel"], rules)
        elif command["action"] in CALLS:
            never_in_quiet_hours(command, known, rules)
            known.agrees_to("phone", rules)


@MODEST
@given(log=watching())
def test_nothing_is_sent_while_only_watching(log: list[Message]) -> None:
    """Leads are assessed, but no command goes out between `acting: false` and `acting: true`."""
    acting = True
    for m, outputs in trace(log, ENV):
        acting = body_of(m).get("acting", acting)
        kinds = {json.loads(o.value or b"")["type"] for o in outputs if not o.headers}
        assert acting or "deliver_intervention" not in kinds


def only_an_operators_order_escalates_a_held_out_lead(pairs: Pairs) -> None:
    """The playbook asks nobody to step in for it: that would be contact by another way."""
    out = {who for who in LEADS if held_out(rules_of(POLICIES, who[0], "1").holdout, *who)}
    assert out
    for m, outputs in pairs:
        for escalation in (json.loads(o.value or b"") for o in outputs if o.topic == ESCALATIONS.name):
            if (escalation["tenant"], escalation["lead"]) in out and escalation["status"] == "open":
                assert body_of(m)["type"] == "escalate_lead"
