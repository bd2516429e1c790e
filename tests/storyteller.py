"""Plays a story: given events at given times, ticks in between, and tells what followed in plain lines.

A story is a TOML file:

    title, clock       its name, and the zone in which its times are read; day 0 is Monday, 2026-01-05
    until, ticks_every when it ends ("day 30 12:00"), and the hours between two ticks (1)
    watch              which lines it is about: stages, decisions, commands, escalations, outcomes, assessments
    policy             what differs from deploy/policies/real_estate.toml
    given              what happens: `at`, the type under `event`, its fields; tenant "acme", lead "L1" unless said
    expect             the watched lines, in order and complete
    remaining          the leads that are still remembered at the end

`$escalation` stands for the lead's latest escalation, `$step/channel` for its latest command of that step.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from schemas.topics import ASSESSMENTS, DECISIONS, ESCALATIONS, INTERVENTIONS, OUTCOMES
from streams.lead import Out, Partition, fold
from streams.state import PARTITION_KEY
from tests.worlds import env, message, policy

WATCHED = ("stages", "decisions", "commands")
COMMANDS = {t.name for t in INTERVENTIONS.values()}


@dataclass
class Story:
    """One story, as read from its file."""

    path: Path
    told: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.told = tomllib.loads(self.path.read_text())
        self.zone = ZoneInfo(self.told.get("clock", "America/New_York"))
        self.watch = self.told.get("watch", list(WATCHED))
        self.names: dict[str, str] = {}
        self.several = len({self._who(g) for g in self.told["given"]}) > 1

    def play(self) -> tuple[list[str], list[str]]:
        """The watched lines in order, and the leads that remain."""
        world, partition = env(policy(self.told.get("policy"))), Partition(0)
        lines: list[str] = []
        for i, (at, given) in enumerate(self._moments()):
            body = {"id": f"m{i}", "at": at.isoformat(), **self._body(given)}
            done = fold(partition, [message(i, body, at)], world)
            assert not done.rejected, (given, done.outputs)
            lines += [line for out in done.outputs for line in self._lines(out)]
        leads, _ = partition.changes()
        held = {key.decode() for key in partition.table.index} | {k.decode() for k, _ in leads if k != PARTITION_KEY}
        return lines, sorted(held)

    def _moments(self) -> list[tuple[datetime, dict[str, Any]]]:
        given = [(self._time(g["at"]), g) for g in self.told["given"]]
        step = timedelta(hours=self.told.get("ticks_every", 1))
        at, until = self._time("day 0 00:00"), self._time(self.told["until"])
        ticks: list[tuple[datetime, dict[str, Any]]] = []
        while (at := at + step) <= until:
            ticks.append((at, {"event": "tick", "partition": 0}))
        return sorted([*given, *ticks], key=lambda m: m[0])  # stable: what is given comes before a tick

    @staticmethod
    def _who(given: dict[str, Any]) -> tuple[str, str]:
        return given.get("tenant", "acme"), given.get("lead", "L1")

    def _body(self, given: dict[str, Any]) -> dict[str, Any]:
        fields = {k: v for k, v in given.items() if k not in {"at", "event", "happened"}}
        if given["event"] != "tick":
            tenant, lead = self._who(given)
            fields |= {"tenant": tenant, "lead": lead}
            known = {
                k: self.names[f"{lead}@{tenant}{v}"]
                for k, v in fields.items()
                if isinstance(v, str) and v.startswith("$")
            }
            fields |= known
        if "happened" in given:
            fields["at"] = self._time(given["happened"]).isoformat()
        return {"type": given["event"], **fields}

    def _time(self, text: str) -> datetime:
        """`day 8 14:30` on the story's clock."""
        _, day, clock = text.split()
        hour, minute = clock.split(":")
        local = datetime(2026, 1, 5, int(hour), int(minute), tzinfo=self.zone) + timedelta(days=int(day))
        return local.astimezone(ZoneInfo("UTC"))

    def _day(self, iso: str) -> str:
        local = datetime.fromisoformat(iso).astimezone(self.zone)
        return f"day {(local.date() - datetime(2026, 1, 5).date()).days} {local:%H:%M}"  # noqa: DTZ001 - a date

    def _lines(self, out: Out) -> list[str]:
        told = json.loads(out.value or b"")
        self._remember(out.topic, told)
        start = self._day(told["at"]) + ("  " + told["tenant"] + ":" + told["lead"] if self.several else "")
        return [f"{start}  {line}" for kind, line in self._say(out.topic, told) if kind in self.watch]

    def _remember(self, topic: str, told: dict[str, Any]) -> None:
        whose = f"{told['lead']}@{told['tenant']}"
        if topic == ESCALATIONS.name:
            self.names[f"{whose}$escalation"] = told["id"]
        elif topic in COMMANDS and told["type"] == "deliver_intervention":
            self.names[f"{whose}${told['step']}/{told['channel']}"] = told["id"]

    def _say(self, topic: str, told: dict[str, Any]) -> list[tuple[str, str]]:
        if topic == ASSESSMENTS.name:
            reasons = "; ".join(r["text"] for r in told["reasons"])
            stage = (
                [("stages", f"{told['previous_stage']} -> {told['stage']}")]
                if told["stage"] != told["previous_stage"]
                else []
            )
            return [*stage, ("assessments", f"risk {told['probability']:.2f}" + (f": {reasons}" if reasons else ""))]
        if topic == DECISIONS.name:
            by = f" by {told['channel']}" if told["channel"] else ""
            until = f" until {self._day(told['until'])}" if told["until"] else ""
            return [("decisions", f"{told['verdict']}: {told['step']}{by} ({told['rule']}){until}")]
        if topic in COMMANDS:
            verb = "command" if told["type"] == "deliver_intervention" else "withdraw"
            return [("commands", f"{verb}: {told.get('template') or told['reason']} -> {told['channel']}")]
        if topic == ESCALATIONS.name:
            by = f" by {told['by']}" if told["by"] else ""
            return [("escalations", f"escalation {told['status']}{by}, to {told['target']}: {told['reason']}")]
        assert topic == OUTCOMES.name
        if told["type"] == "episode_closed":
            money = f", worth {told['value_cents'] / 100:,.2f}" if told["value_cents"] else ""
            return [
                (
                    "outcomes",
                    f"episode {told['episode']} ends: {told['outcome']} after {told['interventions']} sent{money}",
                )
            ]
        final = " (final)" if told["final"] else ""
        return [("outcomes", f"{told['step']} by {told['channel']}: {told['status']}, {told['outcome']}{final}")]
