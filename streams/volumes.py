"""What a policy would do, counted from what the fold puts out: stages, sends, cost, what held them back, escalations."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.topics import ASSESSMENTS, DECISIONS, ESCALATIONS
from schemas.units import Channel, Stage
from streams.partition import Out
from streams.policy import Policy
from streams.stage import ORDER

CAPS = ("cap_total", "cap_channel")
"""Rules that count how often a lead, or its channel, was reached already."""
LIMITS = (*CAPS, "cooldown", "action_gap", "budget")
"""Rules by which a step is kept back because too much went out already."""
_RANK = {str(stage): i for i, stage in enumerate(ORDER)}


class Choice(NamedTuple):
    """One step for one lead in one episode, or (episode 0) of a campaign."""

    lead: str
    episode: int
    stage: str
    step: str
    channel: str | None


class Verdict(NamedTuple):
    """What was decided about it last, and when (ISO 8601)."""

    verdict: str
    rule: str
    at: str
    detail: str


class Burden(NamedTuple):
    """How often a person was asked to step in: in all, a day, and on the day on which it was most."""

    asked: int
    a_day: float
    most_in_a_day: int


@dataclass
class Volumes:
    """Counts under one policy."""

    policy: Policy
    entered: Counter[Stage] = field(default_factory=Counter)
    begun: Counter[str] = field(default_factory=Counter)
    """Campaign -> how often."""
    gone: int = 0
    """Rises of leads that had been silent for so long that nothing is done about them any more."""
    sent: Counter[Channel] = field(default_factory=Counter)
    cost_cents: float = 0.0
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(held or deferred, rule) -> how often."""
    escalations: int = 0
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(day, who was asked to step in: first, or after others did not answer) -> how many."""
    contacts: Counter[str] = field(default_factory=Counter)
    """Lead -> messages that reached it."""
    outpaced: int = 0
    """Steps that another one, in the same moment, kept from going out."""
    choices: dict[Choice, Verdict] = field(default_factory=dict)

    def take(self, outputs: Iterable[Out]) -> None:
        """Count these; they must come in order."""
        for out in outputs:
            if out.headers or out.value is None:
                continue
            if out.topic == ASSESSMENTS.name:
                self._assessed(json.loads(out.value))
            elif out.topic == DECISIONS.name:
                self._decided(json.loads(out.value))
            elif out.topic == ESCALATIONS.name:
                told = json.loads(out.value)
                self.escalations += told["status"] == "open"
                if told["status"] in {"open", "passed_on"}:
                    self.asked[told["at"][:10], told["target"]] += 1

    def _assessed(self, told: dict[str, Any]) -> None:
        if _RANK[told["stage"]] > _RANK[told["previous_stage"]]:
            self.entered[Stage(told["stage"])] += 1

    def _decided(self, told: dict[str, Any]) -> None:
        verdict, channel = told["verdict"], told["channel"]
        if verdict == "sent":
            self.sent[Channel(channel)] += 1
            self.cost_cents += told["rank"]["cost_cents"] if told["rank"] else 0.0
            if self.policy.channels[Channel(channel)].contacts_lead:
                self.contacts[told["lead"]] += 1
        elif verdict in {"held", "deferred"}:
            self.kept[verdict, told["rule"]] += 1
            self.outpaced += told["winner"] is not None
        elif verdict == "begun":
            self.begun[told["campaign"]] += 1
        campaign = told["campaign"]
        step = f"{campaign}.{told['step']}" if campaign and channel else told["step"]
        choice = Choice(told["lead"], told["episode"], "campaign" if campaign else told["stage"], step, channel)
        self.choices[choice] = Verdict(verdict, told["rule"], told["at"], told["detail"])

    def limited(self) -> int:
        """How often a cap, a rest, a gap or the budget kept a step back."""
        return sum(n for (_, rule), n in self.kept.items() if rule in LIMITS)

    def caps_hit(self) -> dict[str, int]:
        """How often each kind of cap was full."""
        return {cap: sum(n for (_, rule), n in self.kept.items() if rule == cap) for cap in CAPS}

    def kept_otherwise(self) -> dict[tuple[str, str], int]:
        """What was held or deferred for other reasons than a cap or the quiet hours."""
        return {
            kept: n
            for kept, n in sorted(self.kept.items())
            if kept[1] not in CAPS and kept != ("deferred", "quiet_hours")
        }

    def contacted(self) -> dict[str, int]:
        """How many leads got so many messages: 1, 2, 3, 4 and more."""
        counts = Counter(min(n, 4) for n in self.contacts.values())
        return {f"{n}" if n < 4 else "4 or more": counts[n] for n in range(1, 5)}

    def burdens(self, days: float) -> dict[str, "Burden"]:
        """What people were asked, those who were asked most first, over so many days."""
        people: dict[str, list[int]] = {}
        for (_, person), n in self.asked.items():
            people.setdefault(person, []).append(n)
        found = {name: Burden(sum(told), round(sum(told) / days, 4), max(told)) for name, told in people.items()}
        return dict(sorted(found.items(), key=lambda kept: (-kept[1].asked, kept[0])))

    def told(self, days: float) -> dict[str, Any]:
        """All of it in plain values, for machines; `days` is the time over which it happened."""
        return {
            "policy": self.policy.name,
            "version": self.policy.version,
            "stages_entered": {str(stage): self.entered[stage] for stage in ORDER[1:]},
            "long_gone_before": self.gone,
            "sent": {str(channel): n for channel, n in sorted(self.sent.items())},
            "cost_cents": round(self.cost_cents, 4),
            "caps_hit": self.caps_hit(),
            "quiet_hour_deferrals": self.kept["deferred", "quiet_hours"],
            "kept_otherwise": [
                {"verdict": verdict, "rule": rule, "times": n} for (verdict, rule), n in self.kept_otherwise().items()
            ],
            "limited": self.limited(),
            "beaten_in_the_same_moment": self.outpaced,
            "escalations": self.escalations,
            "escalations_by_person": {name: burden._asdict() for name, burden in self.burdens(days).items()},
            "leads_contacted": len(self.contacts),
            "contacts_per_lead": self.contacted(),
            "most_contacts_of_a_lead": max(self.contacts.values(), default=0),
        }


class Difference(NamedTuple):
    """A step about which two policies end up deciding differently; None: it never came up."""

    choice: Choice
    old: Verdict | None
    new: Verdict | None


def differing(old: Volumes, new: Volumes) -> list[Difference]:
    """Steps whose last verdict, rule or time differ, in the order of time."""
    found = [
        Difference(choice, old.choices.get(choice), new.choices.get(choice))
        for choice in dict.fromkeys((*old.choices, *new.choices))
    ]
    return sorted((d for d in found if _short(d.old) != _short(d.new)), key=_when)


def by_kind(differences: Iterable[Difference]) -> list[tuple[str, list[Difference]]]:
    """The same, gathered by what became of what (`held (cap_total) -> sent (playbook)`), the most frequent first."""
    kinds: dict[str, list[Difference]] = {}
    for difference in differences:
        before, now = (f"{v.verdict} ({v.rule})" if v else "never came up" for v in (difference.old, difference.new))
        kinds.setdefault(f"{before} at another time" if before == now else f"{before} -> {now}", []).append(difference)
    return sorted(kinds.items(), key=lambda kind: -len(kind[1]))


def _short(verdict: Verdict | None) -> tuple[str, str, str] | None:
    return verdict and (verdict.verdict, verdict.rule, verdict.at)


def _when(difference: Difference) -> tuple[str, Choice]:
    times = [v.at for v in (difference.old, difference.new) if v is not None]
    return min(times), difference.choice._replace(channel=difference.choice.channel or "")
