"""Plays a story: given events at given times, ticks in between, and tells what followed in plain lines.

A story is a table of a TOML file (`deploy/policies/stories`, `tests/stories`):

    title, clock       its name, and the zone in which its times are read; day 0 is Monday, 2026-01-05
    day_0              another day to begin with, like 2026-03-02
    until, ticks_every when it ends ("day 30 12:00"), and the hours between two ticks (1)
    watch              which lines it is about: stages, decisions, commands, escalations, outcomes, assessments, journey,
                       addresses
    changes            what differs from the policy it is told under
    lead               whom it is about ("L1"), unless an event names another; the tenant is "acme", unless an event does
    given              what happens: `at`, the type under `event`, its fields
    expect             the watched lines, in order and complete
    remaining          the leads that are still remembered at the end; left out: not asked

`$escalation` stands for the lead's latest escalation, `$step/channel` for the intervention that was
decided about last. A file may hold several stories as `[[stories]]`; what stands before them holds for each, and its `given`
comes first.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from schemas.topics import ASSESSMENTS, DECISIONS, ESCALATIONS, INTERVENTIONS, OUTCOMES, SUPPRESSIONS
from streams.env import EVERYONE, Env
from streams.journey_words import progress_in_words
from streams.lead import Message, Out, Partition, fold
from streams.policy import Policy, parse_policy
from streams.risk import RuleScorer
from streams.state import PARTITION_KEY

WATCHED = ("stages", "decisions", "commands")
COMMANDS = {t.name for t in INTERVENTIONS.values()}
MONDAY = date(2026, 1, 5)


_WHEN = re.compile(r"day (-?\d+) ([01]?\d|2[0-3]):([0-5]\d)")


class Played(NamedTuple):
    """The watched lines in order, and the leads that remain."""

    lines: list[str]
    remaining: list[str]


def stories_of(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The stories of a file, each complete by itself."""
    shared = {k: v for k, v in told.items() if k != "stories"}
    if "stories" not in told:
        yield shared
    for one in told.get("stories", ()):
        given = [*shared.get("given", ()), *one.get("given", ())]
        yield shared | one | {"given": given}


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables with some keys changed."""
    both = {k: merged(base[k], v) if isinstance(v, Mapping) and k in base else v for k, v in changes.items()}
    return dict(base) | both


@dataclass
class Story:
    """One story under a policy.

    Args:
        told: Its table.
        policy: The policy's own table, before the story's changes.
    """

    told: Mapping[str, Any]
    policy: Mapping[str, Any]
    names: dict[str, str] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what holds for the whole story."""
        self.zone = ZoneInfo(self.told.get("clock", "America/New_York"))
        self.day_0 = date.fromisoformat(str(self.told["day_0"])) if "day_0" in self.told else MONDAY
        self.watch = self.told.get("watch", list(WATCHED))
        self.several = len({self._who(g) for g in self.told["given"]}) > 1

    def play(self) -> Played:
        """Fold it, and tell what followed.

        Raises:
            PolicyInvalid: The changes do not make a policy.
            ValueError: Something given is no message; names it.
        """
        world, partition = (
            _world(parse_policy(merged(self.policy, self.told.get("changes", {})), "story")),
            Partition(0),
        )
        lines: list[str] = []
        for i, (at, given) in enumerate(self._moments()):
            done = fold(partition, [self._message(i, at, given)], world)
            if done.rejected:
                headers = {k: v.decode() for k, v in done.outputs[-1].headers or ()}
                raise ValueError(f"given at {given.get('at')}, {given.get('event')}: {headers}")
            lines += [line for out in done.outputs for line in self._lines(out)]
        leads, _ = partition.changes()
        held = {key.decode() for key in partition.table.index} | {k.decode() for k, _ in leads if k != PARTITION_KEY}
        return Played(lines, sorted(held))

    def _message(self, offset: int, at: datetime, given: Mapping[str, Any]) -> Message:
        body = {"v": 1, "id": f"m{offset}", "at": at.isoformat(), **self._body(given)}
        key = f"{body['tenant']}:{body['lead']}" if "lead" in body else "@tick"
        return Message(offset, int(at.timestamp() * 1000), key.encode(), json.dumps(body).encode())

    def _moments(self) -> list[tuple[datetime, dict[str, Any]]]:
        given = [(self._time(g["at"]), g) for g in self.told["given"]]
        step = timedelta(hours=self.told.get("ticks_every", 1))
        at, until = self._time("day 0 00:00"), self._time(self.told["until"])
        given = [g for g in given if g[0] <= until]
        ticks: list[tuple[datetime, dict[str, Any]]] = []
        while (at := at + step) <= until:
            ticks.append((at, {"event": "tick", "partition": 0}))
        return sorted([*given, *ticks], key=lambda m: m[0])  # stable: what is given comes before a tick

    def _who(self, given: Mapping[str, Any]) -> tuple[str, str]:
        return given.get("tenant", "acme"), given.get("lead", self.told.get("lead", "L1"))

    def _body(self, given: Mapping[str, Any]) -> dict[str, Any]:
        fields = {k: v for k, v in given.items() if k not in {"at", "event", "happened"}}
        if given["event"].endswith("_address"):
            fields |= {"tenant": self._who(given)[0]}
        elif given["event"] != "tick":
            tenant, lead = self._who(given)
            fields |= {"tenant": tenant, "lead": lead}
            fields |= {
                k: self.names[f"{lead}@{tenant}{v}"]
                for k, v in fields.items()
                if isinstance(v, str) and v.startswith("$")
            }
        if "happened" in given:
            fields["at"] = self._time(given["happened"]).isoformat()
        return {"type": given["event"], **fields}

    def _time(self, text: str) -> datetime:
        """`day 8 14:30` on the story's clock."""
        found = _WHEN.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no time of a story: write it like 'day 8 14:30'")
        of_day = self.day_0 + timedelta(days=int(found[1]))
        local = datetime(of_day.year, of_day.month, of_day.day, int(found[2]), int(found[3]), tzinfo=self.zone)
        return local.astimezone(ZoneInfo("UTC"))

    def _day(self, iso: str) -> str:
        local = datetime.fromisoformat(iso).astimezone(self.zone)
        return f"day {(local.date() - self.day_0).days} {local:%H:%M}"

    def _lines(self, out: Out) -> list[str]:
        told = json.loads(out.value or b"")
        self._remember(out.topic, told)
        whose = told["tenant"] + (f":{told['lead']}" if "lead" in told else "")
        start = self._day(told["at"]) + ("  " + whose if self.several else "")
        return [f"{start}  {line}" for kind, line in self._say(out.topic, told) if kind in self.watch]

    def _remember(self, topic: str, told: dict[str, Any]) -> None:
        whose = f"{told.get('lead')}@{told['tenant']}"
        if topic == ESCALATIONS.name:
            self.names[f"{whose}$escalation"] = told["id"]
        elif topic == DECISIONS.name and told["channel"]:
            self.names[f"{whose}${told['step']}/{told['channel']}"] = told["intervention"]
            self.steps[told["intervention"]] = told["step"]

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
            first = f", {self.steps[told['winner']]} went first" if told["winner"] else ""
            return [("decisions", f"{told['verdict']}: {told['step']}{by} ({told['rule']}){until}{first}")]
        if topic in COMMANDS:
            verb = "command" if told["type"] == "deliver_intervention" else "withdraw"
            return [("commands", f"{verb}: {told.get('template') or told['reason']} -> {told['channel']}")]
        if topic == ESCALATIONS.name:
            by = f" by {told['by']}" if told["by"] else ""
            return [("escalations", f"escalation {told['status']}{by}, to {told['target']}: {told['reason']}")]
        if topic == SUPPRESSIONS.name:
            verb = "suppressed" if told["suppressed"] else "released"
            return [("addresses", f"{told['channel']} address {verb} ({told['cause']})")]
        assert topic == OUTCOMES.name
        if told["type"] == "journey_progressed":
            return [("journey", progress_in_words(told))]
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


def _world(policy: Policy) -> Env:
    return Env({"": {EVERYONE: policy}}, {"": RuleScorer()})
