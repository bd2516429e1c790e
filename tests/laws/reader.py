"""An honest reader of log and outputs: knows the rules of contact, and nothing of the code."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from schemas.topics import INTERVENTIONS
from schemas.units import Channel
from streams.lead import Message, Out
from streams.policy import Policy
from streams.thresholds import WEEKDAYS
from streams.vocabulary import BUILT_IN
from tests.laws.world import Versions, rules_of

REACHES_LEAD = {"email", "sms", "phone", "push", "in_app"}
COMMANDS = {t.name for t in INTERVENTIONS.values()}
CALLS = {"immediate_call"}
"""Actions that, where they do not reach the lead themselves, have somebody phone it."""
ASKS = {"approval", "blast_radius"}
"""Rules by which a step waits for a person's yes."""
ACTIVITY_TYPES = {*BUILT_IN, "custom", "call_completed"}
"""What a lead does, or has done to it."""
Pairs = list[tuple[Message, list[Out]]]
"""Each message, and what it led to."""


@dataclass
class Known:
    """What an honest reader of log and outputs knows of one lead."""

    zone: str | None = None
    phone: str | None = None
    region: str | None = None
    was_closed: bool = False
    closed: datetime | None = None
    """When; nothing was heard of the lead since."""
    closings: set[str] = field(default_factory=set)
    said: dict[str, bool] = field(default_factory=dict)
    contacts: list[tuple[datetime, str]] = field(default_factory=list)
    acted: dict[str, list[tuple[datetime, str]]] = field(default_factory=lambda: defaultdict(list))
    failed: set[str] = field(default_factory=set)
    asked: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    agreed: dict[str, datetime] = field(default_factory=dict)

    def hear(self, body: dict[str, Any], now: datetime) -> None:
        """A message about the lead."""
        match body["type"]:
            case "profile_updated":
                self.zone = body.get("timezone", self.zone)
                self.phone = body.get("phone", self.phone)
                self.region = body.get("region", self.region)
            case "consent_changed":
                self.said[body["channel"]] = body["allowed"]
            case "lead_closed" if body["id"] not in self.closings:
                self.was_closed, self.closed = True, now
                self.closings.add(body["id"])
            case said if said in ACTIVITY_TYPES:
                self.closed = None
            case "receipt" if body["status"] in {"failed", "bounced"}:
                self.failed.add(body["intervention"])
            case "approve_intervention" if body["approved"] and body["intervention"] in self.asked:
                self.agreed.setdefault(body["intervention"], now)

    def take(self, told: dict[str, Any]) -> None:
        """Something that was published about the lead."""
        at = datetime.fromisoformat(told["at"])
        if told["type"] == "decided" and told["verdict"] == "deferred" and told["rule"] in ASKS:
            self.asked[told["intervention"]] = at, told["policy_version"]
            self.agreed.pop(told["intervention"], None)
        elif told["type"] == "deliver_intervention":
            self.acted[told["action"]].append((at, told["id"]))
            if told["channel"] in REACHES_LEAD:
                self.contacts.append((at, told["channel"]))

    def was_asked_in_time(self, command: dict[str, Any], decision: dict[str, Any], versions: Versions) -> None:
        """What needs a person's yes has got it after it was asked for, and before the question expired."""
        tenant, rank = command["tenant"], decision["rank"]
        needs = rules_of(versions, tenant, command["policy_version"]).approvals
        if (
            command["action"] in needs.actions
            or (needs.above_cost_cents is not None and rank["cost_cents"] > needs.above_cost_cents)
            or (needs.above_value_cents is not None and rank["value_cents"] > needs.above_value_cents)
            or (needs.blast_radius is not None and command["id"] in self.asked)
        ):
            asked, version = self.asked[command["id"]]
            hours = rules_of(versions, tenant, version).approvals.expires_after_hours
            assert self.agreed[command["id"]] <= asked + timedelta(hours=hours)

    def rested_since_the_last_of_its_kind(self, command: dict[str, Any], rules: Policy) -> None:
        """By whatever channel; what did not get through does not count, nor what is forgotten of a lead that was closed."""
        gap, at = rules.caps.action_gap_hours.get(command["action"], 0.0), datetime.fromisoformat(command["at"])
        for before, which in self.acted[command["action"]]:
            forgotten = self.was_closed and at - before >= timedelta(days=30)
            assert at - before >= timedelta(hours=gap) or which in self.failed or forgotten

    def is_not_closed(self, command: dict[str, Any]) -> None:
        """Until that is forgotten; staff is asked for nothing but what an operator's escalation left undone."""
        forgotten = self.closed and datetime.fromisoformat(command["at"]) - self.closed >= timedelta(days=30)
        assert not self.closed or forgotten or command["step"] == "unanswered_escalation"

    def agrees_to(self, channel: str, rules: Policy) -> None:
        """Never after an opt-out, until the lead says otherwise; nor without a yes where one is needed."""
        assert self.said.get("all", True)
        described = rules.channels.get(Channel(channel))
        assert self.said.get(channel, described is None or described.consent == "opt_out")

    def local(self, at: datetime, rules: Policy) -> datetime:
        """On the lead's own clock, else its phone's, else its region's, else the tenant's."""
        by_phone = {"+14155550132": "America/Los_Angeles"}.get(self.phone or "")
        region, named = self.region or "", rules.quiet_hours.regions
        by_region = named.get(region) or named.get(region[:2]) or {"DE-BY": "Europe/Berlin"}.get(region)
        return at.astimezone(ZoneInfo(self.zone or by_phone or by_region or rules.quiet_hours.timezone))


def deliveries(pairs: Pairs) -> Iterator[tuple[tuple[str, str], dict[str, Any], Known]]:
    """Each command to deliver, with what was known of its lead when it was given."""
    known: dict[tuple[str, str], Known] = defaultdict(Known)
    for m, outs in pairs:
        body = body_of(m)
        if body.get("type") == "erase_lead":
            known.pop((body["tenant"], body["lead"]), None)
        elif "lead" in body:
            known[body["tenant"], body["lead"]].hear(body, datetime.fromtimestamp(m.timestamp_ms / 1000, UTC))
        for told in (json.loads(out.value or b"") for out in outs if not out.headers):
            if "lead" not in told:
                continue
            lead = (told["tenant"], told["lead"])
            if told["type"] == "deliver_intervention":
                if known[lead].was_closed and told["recipient"]["timezone"] is None:
                    known[lead].zone = None  # a closed lead is forgotten after 30 days, but for its refusals
                if known[lead].was_closed and told["recipient"]["phone"] is None:
                    known[lead].phone = known[lead].region = None
                yield lead, told, known[lead]
            known[lead].take(told)


def body_of(m: Message) -> dict[str, Any]:
    """A message of the log as it can be read; empty where it cannot."""
    try:
        body = json.loads(m.value or b"")
    except ValueError:
        return {}
    return body if isinstance(body, dict) and "at" in body else {}


def never_more_than_the_cap_in_any_window(command: dict[str, Any], known: Known, rules: Policy) -> None:
    """Over all channels per sliding day and week, per channel per week, and with the rests between two contacts."""
    at, channel = datetime.fromisoformat(command["at"]), command["channel"]
    own, same = rules.channels[Channel(channel)], [c for c in known.contacts if c[1] == channel]
    assert _within(known.contacts, at, days=1) < rules.caps.max_per_day
    assert _within(known.contacts, at, days=7) < rules.caps.max_per_week
    assert _within(same, at, days=7) < own.max_per_week
    assert all(at - c[0] >= timedelta(hours=rules.caps.cooldown_hours) for c in known.contacts)
    assert all(at - c[0] >= timedelta(hours=own.min_gap_hours) for c in same)


def _within(contacts: list[tuple[datetime, str]], at: datetime, days: int) -> int:
    return sum(c[0] > at - timedelta(days=days) for c in contacts)


def never_in_quiet_hours(command: dict[str, Any], known: Known, rules: Policy) -> None:
    """Nor on days off and holidays: of the lead's region where there is one, else of the tenant's calendar."""
    quiet = rules.quiet_hours
    local = known.local(datetime.fromisoformat(command["at"]), rules)
    clock = f"{local:%H:%M}"
    in_it = clock >= quiet.start or clock < quiet.end if quiet.start > quiet.end else quiet.start <= clock < quiet.end
    assert not in_it, f"{local} is quiet"
    assert WEEKDAYS[local.weekday()] not in quiet.days_off
    if quiet.holidays:
        country, _, state = (known.region or quiet.holidays).partition("-")
        off = holidays.country_holidays(country, subdiv=state or None, years=local.year)
        assert local.date() not in off, f"{local} is a holiday"
