"""How to get through to one lead: by what, when and in which tone, from what it did and answered; or that it is not known.

The bars are those by which the product itself chooses (`hours`, `channel_choice`). Rates are Beta posteriors: so many
answers of so many messages, with ten messages of what its stage answers mixed in where that was published; the interval
holds 95 % of what is plausible.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas import events as e
from schemas.outcomes import InterventionTracked
from schemas.units import Channel, DeliveryStatus
from schemas.weights import Answered
from streams.bandit import plausible
from streams.channel_choice import OWN_CHANNELS, OWN_EACH, SHRUNK_BY, answers_best
from streams.hours import LEAST_EVENTS, usual_hour
from streams.record import Planned, Profile
from streams.thresholds import WEEKDAYS
from streams.track import NOT_REACHED, RANK, was_answered

LEAST_MOODS = 3
COOL, WARM = 0.4, 0.6


class Way(NamedTuple):
    """One channel: messages that reached the lead, what became of them, and the chance that it answers the next one."""

    sent: int
    opened: int
    clicked: int
    replied: int
    rate: float
    low: float
    high: float


class Most(NamedTuple):
    """What is seen most, how often, and of how many."""

    what: str
    n: int
    of: int


class Contacting(NamedTuple):
    """Best time, day and channel, chance of an answer per channel, patterns, next contact, tone, content. None: not known.

    `kind`: of what the lead answers most (the action of its step); `content`: the text.
    """

    events: int
    hour: Most | None
    day: Most | None
    preferred: str | None
    best: Channel | None
    ways: dict[Channel, Way]
    calls: dict[str, int]
    wrote: dict[str, int]
    tone: str | None
    moods: int
    kind: Most | None
    content: Most | None
    next: Planned | None


def contacting(
    activity: Sequence[e.Activity],
    tracked: Iterable[InterventionTracked],
    templates: Mapping[str, str],
    profile: Profile,
    zone: str,
    planned: Sequence[Planned],
    of_stage: Mapping[Channel, Answered],
    actions: Mapping[tuple[str, str], str],
) -> Contacting:
    """Work it out.

    Args:
        activity: the lead's own events of the last 90 days.
        tracked: all that was tracked of its interventions.
        templates: what each intervention said, by its id.
        profile: as last told.
        zone: the clock the lead lives by.
        planned: what waits for its time.
        of_stage: what leads in its stage answer, as published.
        actions: of each step of the policy, by its campaign or stage, and its name.
    """
    local = [one.at.astimezone(ZoneInfo(zone)) for one in activity]
    enough, hour = len(local) >= LEAST_EVENTS, usual_hour([at.hour for at in local])
    newest: dict[str, InterventionTracked] = {}
    for one in sorted(tracked, key=lambda one: (one.at, one.final)):
        if one.arm == "treated" and one.status not in NOT_REACHED:
            newest[one.intervention] = one
    ways = _ways([one for one in newest.values() if one.final], of_stage)
    moods = [mood for one in activity if (mood := getattr(one, "mood", None)) is not None]
    kinds = {i: action for i, one in newest.items() if (action := actions.get((one.campaign or one.stage, one.step)))}
    due = sorted((p for p in planned if not p.waits), key=lambda p: (p.due, p.step))
    return Contacting(
        events=len(local),
        hour=None if hour is None else Most(f"{hour}:00", sum(at.hour == hour for at in local), len(local)),
        day=_most((WEEKDAYS[at.weekday()] for at in local), len(local)) if enough else None,
        preferred=profile.preferred_channel,
        best=answers_best({channel: (way.sent, way.rate) for channel, way in ways.items()}),
        ways=ways,
        calls=dict(Counter(one.outcome for one in activity if isinstance(one, e.CallCompleted))),
        wrote=dict(Counter(one.channel or "unknown" for one in activity if isinstance(one, e.MessageReceived))),
        tone=_tone(sum(moods) / len(moods)) if len(moods) >= LEAST_MOODS else None,
        moods=len(moods),
        kind=_content(newest.values(), kinds),
        content=_content(newest.values(), templates),
        next=due[0] if due else None,
    )


def _ways(final: Sequence[InterventionTracked], of_stage: Mapping[Channel, Answered]) -> dict[Channel, Way]:
    by: dict[Channel, list[InterventionTracked]] = defaultdict(list)
    for one in final:
        by[one.channel].append(one)
    return {channel: _way(ones, of_stage.get(channel)) for channel, ones in sorted(by.items())}


def _way(ones: Sequence[InterventionTracked], known: Answered | None) -> Way:
    def reached(status: DeliveryStatus) -> int:
        return sum(RANK[one.status] >= RANK[status] for one in ones)

    answered, n = float(sum(was_answered(one) for one in ones)), float(len(ones))
    if known is not None:
        answered, n = answered + SHRUNK_BY * known.rate, n + SHRUNK_BY
    low, high = plausible(answered, n)
    opened, clicked = reached(DeliveryStatus.OPENED), reached(DeliveryStatus.CLICKED)
    return Way(
        len(ones),
        opened,
        clicked,
        reached(DeliveryStatus.RESPONDED),
        (answered + 1) / (n + 2),
        low,
        high,
    )


def _content(newest: Iterable[InterventionTracked], named: Mapping[str, str]) -> Most | None:
    """What it answered most, of what it got three times or more: texts, or kinds of them, by intervention."""
    got, back = Counter[str](), Counter[str]()
    for one in newest:
        if one.final and (template := named.get(one.intervention)):
            got[template] += 1
            back[template] += was_answered(one)
    told = [template for template in sorted(got) if got[template] >= OWN_EACH and back[template]]
    best = max(told, key=lambda template: back[template] / got[template], default=None)
    return Most(best, back[best], got[best]) if best else None


def _most(values: Iterable[str], of: int) -> Most:
    counts = Counter(values)
    what = min(counts, key=lambda value: (-counts[value], value))
    return Most(what, counts[what], of)


def _tone(mood: float) -> str:
    return "cool: careful words" if mood < COOL else "warm" if mood > WARM else "even"


def in_words(name: str, at: datetime, zone: str, found: Contacting) -> list[str]:
    """It as text, at most 80 columns wide."""
    few = f"not enough data ({found.events} of {LEAST_EVENTS} signs of life in 90 days)"
    hour, day, kind, content = found.hour, found.day, found.kind, found.content
    lines = [
        f"{name}, as of {at:%Y-%m-%d %H:%M} UTC",
        f"best hour      {f'{hour.what} in {zone} ({hour.n} of {hour.of})' if hour else few}",
        f"best day       {f'{day.what} ({day.n} of {day.of})' if day else few}",
        f"prefers        {found.preferred or 'nothing was said'}",
        f"best channel   {found.best or f'not enough data: {OWN_EACH} messages by each of {OWN_CHANNELS} channels'}",
    ]
    if found.ways:
        lines.append(
            f"{'answers':15}{'channel':14}{'sent':>5}{'opened':>8}{'clicked':>9}{'replied':>9}{'next':>6}{'95 %':>12}"
        )
    for channel, way in found.ways.items():
        counts = f"{way.sent:5}{way.opened:8}{way.clicked:9}{way.replied:9}"
        lines.append(f"{'':15}{channel:14}{counts}{way.rate:6.0%}{f'{way.low:.0%} - {way.high:.0%}':>12}")
    calls = ", ".join(f"{n} {outcome.replace('_', ' ')}" for outcome, n in sorted(found.calls.items()))
    wrote = ", ".join(f"{n} by {channel}" for channel, n in sorted(found.wrote.items()))
    moods = f"not enough data ({found.moods} of {LEAST_MOODS} moods in 90 days)"
    lines += [
        f"calls          {calls or 'none in 90 days'}",
        f"wrote          {wrote or 'nothing in 90 days'}",
        f"tone           {found.tone or moods}",
        f"answers most   {f'{kind.what} ({kind.n} of {kind.of})' if kind else 'not enough data'}",
        f"best text      {f'{content.what} ({content.n} of {content.of})' if content else 'not enough data'}",
    ]
    told = "nothing is planned"
    if found.next is not None:
        due = datetime.fromtimestamp(found.next.due, at.tzinfo)
        told = f"{found.next.step} by {found.next.channel}, {due:%Y-%m-%d %H:%M} UTC at the earliest"
    return [*lines, f"next contact   {told}"]
