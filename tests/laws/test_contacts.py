"""Whom we contact, how often, and when: against a model of the rules that knows nothing of the code."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given

from schemas.topics import ESCALATIONS, INTERVENTIONS
from streams.env import EVERYONE
from streams.holdout import held_out
from streams.lead import Message
from tests.laws.histories import ENV, LEADS, MODEST, POLICIES, histories
from tests.worlds import trace

REACHES_LEAD = {"email", "sms", "phone", "push", "in_app"}
TOPICS = {t.name for t in INTERVENTIONS.values()}


@dataclass
class Known:
    """What an honest reader of the log knows of one lead."""

    zone: str | None = None
    opted_out: set[str] = field(default_factory=set)
    closed: bool = False
    contacts: list[tuple[datetime, str]] = field(default_factory=list)


def deliveries(log: list[Message]) -> Iterator[tuple[tuple[str, str], dict[str, Any], Known]]:
    """Each command to deliver, with what was known of its lead when it was given."""
    known: dict[tuple[str, str], Known] = defaultdict(Known)
    for m, outputs in trace(log, ENV):
        body = _body(m)
        who = (body.get("tenant", ""), body.get("lead", ""))
        match body.get("type"):
            case "profile_updated" if "timezone" in body:
                known[who].zone = body["timezone"]
            case "consent_changed" if body["allowed"]:
                known[who].opted_out.discard(body["channel"])
            case "consent_changed":
                known[who].opted_out.add(body["channel"])
            case "lead_closed":
                known[who].closed = True
            case "erase_lead":
                known.pop(who, None)
        for out in outputs:
            command = json.loads(out.value or b"") if out.topic in TOPICS else {}
            if command.get("type") == "deliver_intervention":
                lead = (command["tenant"], command["lead"])
                yield lead, command, known[lead]
                if command["channel"] in REACHES_LEAD:
                    known[lead].contacts.append((datetime.fromisoformat(command["at"]), command["channel"]))


def _body(m: Message) -> dict[str, Any]:
    try:
        body = json.loads(m.value or b"")
    except ValueError:
        return {}
    return body if isinstance(body, dict) and "at" in body else {}


def _policy(tenant: str) -> Any:
    return POLICIES[""].get(tenant, POLICIES[""][EVERYONE])


@MODEST
@given(log=histories())
def test_never_more_contacts_than_the_cap_in_any_window(log: list[Message]) -> None:
    """Over all channels per sliding day and week, per channel per week, and with the rest between two contacts."""
    for (tenant, _), command, known in deliveries(log):
        rules, at, channel = _policy(tenant), datetime.fromisoformat(command["at"]), command["channel"]
        if channel not in REACHES_LEAD:
            continue
        day = [c for c in known.contacts if c[0] > at - timedelta(days=1)]
        week = [c for c in known.contacts if c[0] > at - timedelta(days=7)]
        assert len(day) < rules.caps.max_per_day
        assert len(week) < rules.caps.max_per_week
        assert sum(c[1] == channel for c in week) < rules.channels[channel].max_per_week
        rest = timedelta(hours=rules.caps.cooldown_hours)
        assert all(at - c[0] >= rest for c in known.contacts)


@MODEST
@given(log=histories())
def test_never_in_quiet_hours(log: list[Message]) -> None:
    """On the lead's own clock; on the tenant's where the lead's zone is not known."""
    for (tenant, _), command, known in deliveries(log):
        if command["channel"] in REACHES_LEAD and _policy(tenant).quiet_hours.start != _policy(tenant).quiet_hours.end:
            local = datetime.fromisoformat(command["at"]).astimezone(ZoneInfo(known.zone or "America/New_York"))
            assert 9 <= local.hour < 20, f"{local} on {command['channel']}"


@MODEST
@given(log=histories())
def test_never_after_an_opt_out(log: list[Message]) -> None:
    """An opt-out of a channel, or of everything, holds until the lead says otherwise."""
    for _, command, known in deliveries(log):
        if command["channel"] in REACHES_LEAD:
            assert not known.opted_out & {command["channel"], "all"}


@MODEST
@given(log=histories())
def test_nothing_is_sent_while_only_watching(log: list[Message]) -> None:
    """Leads are assessed, but no command goes out between `acting: false` and `acting: true`."""
    acting = True
    for m, outputs in trace(log, ENV):
        acting = _body(m).get("acting", acting)
        kinds = {json.loads(o.value or b"")["type"] for o in outputs if not o.headers}
        assert acting or "deliver_intervention" not in kinds


@MODEST
@given(log=histories())
def test_never_to_a_held_out_lead(log: list[Message]) -> None:
    """By no channel at all; only an operator's own order escalates such a lead."""
    out = {who for who in LEADS if held_out(_policy(who[0]).holdout, *who)}
    assert out
    assert not {who for who, _, _ in deliveries(log)} & out
    for m, outputs in trace(log, ENV):
        for escalation in (json.loads(o.value or b"") for o in outputs if o.topic == ESCALATIONS.name):
            if (escalation["tenant"], escalation["lead"]) in out and escalation["status"] == "open":
                assert _body(m)["type"] == "escalate_lead"
