"""Whom we contact, how often, and when: against a model of the rules that knows nothing of the code."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays
from hypothesis import given

from schemas.topics import ESCALATIONS, INTERVENTIONS
from schemas.units import Channel
from streams.env import EVERYONE, Env
from streams.holdout import held_out
from streams.lead import Message
from streams.policy import Policy
from tests.laws.histories import ENV, LEADS, MODEST, POLICIES, histories, watching
from tests.worlds import trace

REACHES_LEAD = {"email", "sms", "phone", "push", "in_app"}
TOPICS = {t.name for t in INTERVENTIONS.values()}


@dataclass
class Known:
    """What an honest reader of the log knows of one lead."""

    zone: str | None = None
    phone: str | None = None
    region: str | None = None
    was_closed: bool = False
    opted_out: set[str] = field(default_factory=set)
    contacts: list[tuple[datetime, str]] = field(default_factory=list)


def deliveries(  # noqa: C901 - a table
    log: list[Message], world: Env = ENV
) -> Iterator[tuple[tuple[str, str], dict[str, Any], Known]]:
    """Each command to deliver, with what was known of its lead when it was given."""
    known: dict[tuple[str, str], Known] = defaultdict(Known)
    for m, outputs in trace(log, world):
        body = _body(m)
        who = (body.get("tenant", ""), body.get("lead", ""))
        match body.get("type"):
            case "profile_updated":
                known[who].zone = body.get("timezone", known[who].zone)
                known[who].phone = body.get("phone", known[who].phone)
                known[who].region = body.get("region", known[who].region)
            case "consent_changed" if body["allowed"]:
                known[who].opted_out.discard(body["channel"])
            case "consent_changed":
                known[who].opted_out.add(body["channel"])
            case "lead_closed":
                known[who].was_closed = True
            case "erase_lead":
                known.pop(who, None)
        for out in outputs:
            command = json.loads(out.value or b"") if out.topic in TOPICS else {}
            if command.get("type") == "deliver_intervention":
                lead = (command["tenant"], command["lead"])
                if known[lead].was_closed and command["recipient"]["timezone"] is None:
                    known[lead].zone = None  # a closed lead is forgotten after 30 days, but for its refusals
                if known[lead].was_closed and command["recipient"]["phone"] is None:
                    known[lead].phone = known[lead].region = None
                yield lead, command, known[lead]
                if command["channel"] in REACHES_LEAD:
                    known[lead].contacts.append((datetime.fromisoformat(command["at"]), command["channel"]))


def _body(m: Message) -> dict[str, Any]:
    try:
        body = json.loads(m.value or b"")
    except ValueError:
        return {}
    return body if isinstance(body, dict) and "at" in body else {}


def _policy(tenant: str) -> Policy:
    return POLICIES[""].get(tenant, POLICIES[""][EVERYONE])


@given(log=histories())
def test_whom_we_contact_how_often_and_when(log: list[Message]) -> None:
    """The laws below, for every command that reaches a lead."""
    out = {who for who in LEADS if held_out(_policy(who[0]).holdout, *who)}
    assert out
    for (tenant, lead), command, known in deliveries(log):
        assert (tenant, lead) not in out, "never to a held-out lead, by no channel at all"
        if command["channel"] in REACHES_LEAD:
            at, channel, rules = datetime.fromisoformat(command["at"]), command["channel"], _policy(tenant)
            never_more_than_the_cap_in_any_window(at, channel, known, rules)
            never_in_quiet_hours(at, known, rules)
            assert not known.opted_out & {channel, "all"}, "never after an opt-out, until the lead says otherwise"


def never_more_than_the_cap_in_any_window(at: datetime, channel: str, known: Known, rules: Policy) -> None:
    """Over all channels per sliding day and week, per channel per week, and with the rest between two contacts."""
    day = [c for c in known.contacts if c[0] > at - timedelta(days=1)]
    week = [c for c in known.contacts if c[0] > at - timedelta(days=7)]
    assert len(day) < rules.caps.max_per_day
    assert len(week) < rules.caps.max_per_week
    assert sum(c[1] == channel for c in week) < rules.channels[Channel(channel)].max_per_week
    assert all(at - c[0] >= timedelta(hours=rules.caps.cooldown_hours) for c in known.contacts)


def never_in_quiet_hours(at: datetime, known: Known, rules: Policy) -> None:
    """On the lead's own clock, else its phone's, else its region's, else the tenant's; nor on days off and holidays."""
    by_phone = {"+14155550132": "America/Los_Angeles"}.get(known.phone or "")
    by_region = {"DE-BY": "Europe/Berlin"}.get(known.region or "")
    local = at.astimezone(ZoneInfo(known.zone or by_phone or by_region or "America/New_York"))
    if rules.quiet_hours.start != rules.quiet_hours.end:
        assert 9 <= local.hour < 20, f"{local} is quiet"
    if rules.quiet_hours.days_off:
        assert local.isoweekday() != 2, "Tuesday is a day off"
    if rules.quiet_hours.holidays:
        country, _, state = (known.region or "US").partition("-")
        off = holidays.country_holidays(country, subdiv=state or None, years=local.year)
        assert local.date() not in off, f"{local} is a holiday"


@MODEST
@given(log=watching())
def test_nothing_is_sent_while_only_watching(log: list[Message]) -> None:
    """Leads are assessed, but no command goes out between `acting: false` and `acting: true`."""
    acting = True
    for m, outputs in trace(log, ENV):
        acting = _body(m).get("acting", acting)
        kinds = {json.loads(o.value or b"")["type"] for o in outputs if not o.headers}
        assert acting or "deliver_intervention" not in kinds


@MODEST
@given(log=histories())
def test_only_an_operators_order_escalates_a_held_out_lead(log: list[Message]) -> None:
    """The playbook asks nobody to step in for it: that would be contact by another way."""
    out = {who for who in LEADS if held_out(_policy(who[0]).holdout, *who)}
    for m, outputs in trace(log, ENV):
        for escalation in (json.loads(o.value or b"") for o in outputs if o.topic == ESCALATIONS.name):
            if (escalation["tenant"], escalation["lead"]) in out and escalation["status"] == "open":
                assert _body(m)["type"] == "escalate_lead"
