"""By which channel a step begins, where its playbook leaves the choice: what the lead wants, then what it answers.

    stated       the lead's own preference, where the step has that channel
    learned      the channel with the highest rate of answers: Beta(m mu + answered, m (1 - mu) + not answered), its mean; mu
                 is the rate of the tenant's leads in the same stage (published), m = 10 messages. Only where there is
                 something to go by: 3 messages on each of 2 channels of its own (as Braze asks for), or 30 of the stage
    as written   in all other cases, and said so; and for a tenth of the leads, always the same ones, to see what choosing
                 is worth

An answer is a click, a reply, or the lead coming back. Opens are none: machines open mail. Own counts fade, half in 90 days.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from schemas.units import Channel
from streams.features import DAY
from streams.record import Answers, Draw, Intervention, LeadRecord
from streams.stage import ORDER
from streams.track import NOT_REACHED, was_answered
from streams.variants import sticky

if TYPE_CHECKING:
    from streams.plays import Step
    from streams.rules import Case

NAME = "channel_choice"
CONTROL, LEARNED = "as_written", "learned"
SHARES = {CONTROL: 0.1, LEARNED: 0.9}
OWN_EACH, OWN_CHANNELS, OF_STAGE = 3, 2, 30
SHRUNK_BY = 10.0
HALF_LIFE = 90 * DAY


class Choice(NamedTuple):
    """Channels in the order in which they are tried, why in words (empty: nothing to choose), and the draw behind it."""

    order: tuple[Channel, ...]
    why: str = ""
    draw: Draw | None = None


def choice(case: Case, step: Step, stage: int) -> Choice:
    """How a step of this stage reaches the lead."""
    ways = (step.channel, *step.fallback)
    if not step.choose or len(ways) < OWN_CHANNELS:
        return Choice(ways)
    preferred = case.record.profile.preferred_channel
    if preferred in ways:
        return Choice(_first(Channel(preferred), ways), f"the lead prefers {preferred}")
    rates, why = rates_of(case, ways, stage)
    if rates is None:
        return Choice(ways, why)
    draw = sticky(case, NAME, SHARES)
    if draw.variant == CONTROL:
        return Choice(ways, "as written, to compare with", draw)
    best = max(ways, key=lambda way: rates[way])  # of equals, the first
    return Choice(_first(best, ways), why, draw)


def rates_of(case: Case, ways: tuple[Channel, ...], stage: int) -> tuple[dict[Channel, float] | None, str]:
    """Expected rate of answers by channel, and what it rests on; None where that is too little."""
    known = case.desk.weights.channels.get(ORDER[stage], {})
    of_stage = {way: known[way].rate for way in ways if way in known and known[way].messages >= OF_STAGE}
    own = {way: faded(case.record.answers.get(way), case.now) for way in ways}
    told = [way for way in ways if own[way].messages >= OWN_EACH - 0.5]  # two days of fading do not count
    if len(told) < OWN_CHANNELS and len(of_stage) < OWN_CHANNELS:
        n = sum(own[way].messages for way in ways)
        return None, f"as written: not enough data ({n:.0f} messages of its own, {len(of_stage)} channels of its stage)"
    usual = min(of_stage.values(), default=0.1)  # what nobody has tried is not taken for better
    rates = {
        way: (SHRUNK_BY * of_stage.get(way, usual) + own[way].answered) / (SHRUNK_BY + own[way].messages)
        for way in ways
    }
    words = ", ".join(f"{way} {rate:.0%}" for way, rate in rates.items())
    whose = "its own answers" if len(told) >= OWN_CHANNELS else "answers in its stage"
    return rates, f"expected by {whose}: {words}"


def note_answer(record: LeadRecord, intervention: Intervention, now: float) -> None:
    """What became of a message is known: it counts for its channel."""
    if intervention.held_out or intervention.withdrawn or intervention.status in NOT_REACHED:
        return
    before = faded(record.answers.get(intervention.channel), now)
    record.answers[intervention.channel] = Answers(
        now, before.messages + 1, before.answered + was_answered(intervention)
    )


def answers_best(own: Mapping[Channel, tuple[int, float]]) -> Channel | None:
    """By which channel a lead answers most, of messages and rate of each; None where it has too few to say."""
    told = sorted(channel for channel, (messages, _) in own.items() if messages >= OWN_EACH)
    return max(told, key=lambda channel: own[channel][1]) if len(told) >= OWN_CHANNELS else None


def faded(answers: Answers | None, now: float) -> Answers:
    """Counts as they weigh now."""
    if answers is None:
        return Answers(now, 0.0, 0.0)
    left = 0.5 ** (max(now - answers.at, 0.0) / HALF_LIFE)
    return Answers(now, answers.messages * left, answers.answered * left)


def _first(channel: Channel, ways: tuple[Channel, ...]) -> tuple[Channel, ...]:
    return (channel, *(way for way in ways if way != channel))
