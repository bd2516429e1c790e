"""What happened, read from the topics like any downstream consumer would: the end of a try-out."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agents.reading import read_json
from schemas import topics

STORY = 24
"""A story of more conclusions than this is told in full by `leadkeeper lead show`, not at the end of a run."""
READS = (topics.ASSESSMENTS, topics.DECISIONS, topics.ESCALATIONS, topics.OUTCOMES, topics.LEDGER)


@dataclass
class Results:
    """Counts over all leads. Times are epoch seconds."""

    entered: dict[str, list[tuple[str, float]]] = field(default_factory=lambda: defaultdict(list))
    """Stage -> (lead, when) for each rise into it."""
    assessments: int = 0
    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(verdict, rule) -> how many."""
    commands: Counter[str] = field(default_factory=Counter)
    ledger: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(channel, state) -> how many."""
    escalations: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(arm, outcome) of finished interventions."""
    episodes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(arm, outcome) of closed episodes."""
    saved_cents: Counter[str] = field(default_factory=Counter)
    stories: list[str] = field(default_factory=list)
    """Leads of which there is something to tell, the one with the most first."""

    @property
    def best_story(self) -> str | None:
        """The lead with the most to tell."""
        return self.stories[0] if self.stories else None


async def gather(bootstrap: str, prefix: str, acting_from: float) -> Results:
    """Read the topics to their ends. Rises before `acting_from` are history and left out."""
    results = Results()
    seen: set[str] = set()
    interest: Counter[str] = Counter()
    length: Counter[str] = Counter()
    ledger: dict[str, tuple[str, str]] = {}
    async for _, body in read_json(bootstrap, [prefix + t.name for t in READS]):
        kind = body.get("type")
        if kind == "ledger_entry":
            ledger[body["id"]] = (body["channel"], body["state"])
            continue
        identity = f"{body.get('id')}:{body.get('status')}"
        if identity in seen:
            continue
        seen.add(identity)
        length[body["lead"]] += 1
        _take(results, kind, body, acting_from, interest)
    results.ledger.update(ledger.values())
    short = [lead for lead in interest if length[lead] <= STORY]
    results.stories = sorted(short or interest, key=lambda lead: -interest[lead])
    return results


def _take(results: Results, kind: object, body: dict[str, Any], acting_from: float, interest: Counter[str]) -> None:
    lead = body["lead"]
    match kind:
        case "lead_assessed":
            results.assessments += 1
            at = datetime.fromisoformat(body["at"]).timestamp()
            stages = ("none", "early_warning", "active_risk", "critical_risk")
            if at > acting_from and stages.index(body["stage"]) > stages.index(body["previous_stage"]):
                results.entered[body["stage"]].append((lead, at))
                interest[lead] += 1
        case "decided":
            results.decisions[body["verdict"], body["rule"]] += 1
            if body["verdict"] == "sent":
                results.commands[body["channel"]] += 1
        case "lead_escalated":
            results.escalations += body["status"] == "open"
        case "intervention_tracked" if body["final"]:
            results.outcomes[body["arm"], body["outcome"]] += 1
            won = body["outcome"] in {"converted", "re_engaged"} and body["status"] == "delivered"
            interest[lead] += (5 if body["channel"] == "email" else 1) if won else 0
        case "episode_closed":
            results.episodes[body["arm"], body["outcome"]] += 1
            results.saved_cents[body["arm"]] += body["value_cents"]
