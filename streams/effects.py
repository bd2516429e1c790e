"""What a playbook, a campaign or an offer changes: all leads that came to it, against all held-out leads that came to it.

Only who was sent something is not comparable with the held-out leads: of those nobody is left out because a cap was full, the
budget was spent or nobody agreed. So both sides are taken at the same point, where the arbiter looks at a step after consent
and address, whatever became of it then (intention to treat: ICH E9, Statistical principles for clinical trials, 1998, 5.2.1). A lead counts
once, from its first time, when the time in which it may come back is over.

Who stayed is told alike for both sides by the churn episode: did it end well within that time? Campaigns belong to no
episode; there it is told by what was tracked of the message, which leaves out who came to the step and never got one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from schemas.decisions import Decided, Rule, Verdict
from schemas.outcomes import EpisodeClosed, InterventionTracked
from streams.bandit import Shown, Trial, shown
from streams.features import DAY
from streams.holdout import CAMPAIGN, held_out
from streams.offers import PREFIX
from streams.policy import Policy
from streams.settle import SAVED
from streams.track import BACK

LOOKED_AT = frozenset(
    {
        Rule.HOLDOUT, Rule.QUIET_HOURS, Rule.CAP_TOTAL, Rule.CAP_CHANNEL, Rule.COOLDOWN, Rule.SEND_TIME, Rule.ACTION_GAP,
        Rule.BUDGET, Rule.APPROVAL, Rule.BLAST_RADIUS,
    }
)  # fmt: skip
"""Rules of the arbiter that come after consent and address: whom they keep back came as far as whom they let pass."""
OWN_ACTION = "ordered_"
"""How steps begin that are an operator's own; they are part of no programme."""
Arm = Literal["treated", "held out of it", "held out of everything"]
TREATED: Arm = "treated"
HELD_OUT: tuple[Arm, ...] = ("held out of it", "held out of everything")


class Came(NamedTuple):
    """A lead that came to a programme, or to the offers of a stage, for the first time."""

    lead: str
    at: datetime
    arm: Arm
    episode: int
    intervention: str
    variant: str
    """The offer it was drawn for; empty: this is about a programme."""
    propensity: float


ToWhat = tuple[str, str]
"""Tenant, and a programme as `streams.holdout` names them, or the experiment of a stage's offers."""


class Comings:
    """Of very many decisions those that tell who came to what first: all that `came` needs of them."""

    def __init__(self) -> None:
        """None yet."""
        self._first: dict[tuple[str, ...], Decided] = {}

    def take(self, one: Decided) -> None:
        """One more, in any order."""
        if not _looked_at(one):
            return
        about = one.tenant, one.lead, _programme(one), *(drawn.experiment for drawn in one.drawn)
        before = self._first.get(about)
        if before is None or (one.at, one.id) < (before.at, before.id):
            self._first[about] = one

    def decided(self) -> list[Decided]:
        """Those that are kept."""
        return list(self._first.values())


def came(decided: Iterable[Decided], policy_of: Callable[[str], Policy]) -> dict[ToWhat, list[Came]]:
    """Who came to what, first: from decisions in any order, repeats allowed; `policy_of`: of a tenant."""
    found: dict[ToWhat, dict[str, Came]] = defaultdict(dict)
    for one in sorted(decided, key=lambda one: (one.at, one.id)):
        if not _looked_at(one):
            continue
        arm: Arm = "treated"
        if one.arm == "holdout":
            everything = held_out(policy_of(one.tenant).holdout, one.tenant, one.lead)
            arm = "held out of everything" if everything else "held out of it"
        row = Came(one.lead, one.at, arm, one.episode, one.intervention or "", "", 1.0)
        found[one.tenant, _programme(one)].setdefault(one.lead, row)
        for drawn in one.drawn:
            if drawn.experiment.startswith(PREFIX):
                gift = row._replace(variant=drawn.variant, propensity=drawn.propensity)
                found[one.tenant, drawn.experiment].setdefault(one.lead, gift)
    return {what: list(rows.values()) for what, rows in found.items()}


def _programme(one: Decided) -> str:
    return f"{CAMPAIGN}{one.campaign}" if one.campaign else str(one.stage)


def _looked_at(one: Decided) -> bool:
    if one.intervention is None or one.step.startswith(OWN_ACTION):
        return False
    return one.verdict is Verdict.SENT or (one.verdict is not Verdict.WITHDRAWN and one.rule in LOOKED_AT)


class Ended(NamedTuple):
    """How episodes and interventions ended; of campaigns' interventions those that are final."""

    episodes: Mapping[tuple[str, str, int], list[EpisodeClosed]]
    messages: Mapping[str, InterventionTracked]


def ended(closed: Iterable[EpisodeClosed], tracked: Iterable[InterventionTracked]) -> Ended:
    """By tenant, lead and number; by id."""
    episodes: dict[tuple[str, str, int], list[EpisodeClosed]] = defaultdict(list)
    for one in closed:
        episodes[one.tenant, one.lead, one.episode].append(one)
    return Ended(episodes, {one.intervention: one for one in tracked if one.final})


def trials(
    rows: Iterable[Came], tenant: str, arms: Iterable[Arm], how: Ended, days: float, until: datetime
) -> Iterator[Trial]:
    """What came of those of these arms whose time of so many days is over."""
    wanted = set(arms)
    for row in rows:
        if row.arm not in wanted or (until - row.at).total_seconds() < days * DAY:
            continue
        message = how.messages.get(row.intervention)
        if row.episode:
            ends = how.episodes.get((tenant, row.lead, row.episode), ())
            kept = any(one.outcome in SAVED and 0 <= (one.at - row.at).total_seconds() <= days * DAY for one in ends)
        elif message is not None:
            kept = message.outcome in BACK
        else:
            continue
        yield Trial(row.variant, row.propensity, kept, message is not None and message.engaged)


def effects(rows: Sequence[Came], tenant: str, how: Ended, days: float, until: datetime) -> dict[Arm, Shown]:
    """Who was not held out, against each kind of held-out leads that there is.

    Who is held out of it alone gets everything else, so against them it shows what this one adds; against those held out of
    everything, what all messages to leads that come to this one do together.
    """
    treated = [one._replace(variant=TREATED) for one in trials(rows, tenant, [TREATED], how, days, until)]
    return {
        arm: shown([TREATED], treated, held)
        for arm in HELD_OUT
        if (held := list(trials(rows, tenant, [arm], how, days, until)))
    }
