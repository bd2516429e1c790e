"""Who kept a step from going out: the one sent in the same moment that filled its cap, or took its rest, its gap or its money."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from schemas.decisions import Rule
from streams.budget import MILLI
from streams.decide import CROWDED, Judgement, Subject
from streams.record import Contact, Intervention

BEATEN = CROWDED | {Rule.ACTION_GAP, Rule.BUDGET}
"""Rules by which one step can keep another of the same moment from going out."""


class Sent(NamedTuple):
    """What went out in this moment."""

    intervention: Intervention
    action: str
    contacts_lead: bool


class Before(NamedTuple):
    """What was known of the lead before anything went out in this moment."""

    contacts: Sequence[Contact]
    acted: Mapping[str, float]


def winner_of(
    rule: Rule, subject: Subject, before: Before, sent: Sequence[Sent], judged: Callable[[Subject], Judgement]
) -> Intervention | None:
    """The first of those sent after which this rule objects; None where the step could not have gone out without them either.

    Args:
        rule: By which the step is held or put off.
        subject: The lead as it is now, after all that was sent.
        before: As it was before.
        sent: In the order in which it went out.
        judged: The arbiter's word about the step for a lead.
    """
    if rule not in BEATEN or not sent or judged(_after(0, subject, before, sent)).rule in BEATEN:
        return None
    found = (one for n, one in enumerate(sent, 1) if judged(_after(n, subject, before, sent)).rule is rule)
    return next((one.intervention for one in found), None)


def _after(n: int, subject: Subject, before: Before, sent: Sequence[Sent]) -> Subject:
    """The lead as it was after the first so many."""
    out, left = sent[:n], sent[n:]
    contacts = [Contact(one.intervention.at, one.intervention.channel) for one in out if one.contacts_lead]
    unspent = sum(round(one.intervention.cost_cents * MILLI) for one in left)
    return subject._replace(
        contacts=[*before.contacts, *contacts],
        acted={**before.acted, **{one.action: one.intervention.at for one in out}},
        spent=subject.spent - unspent,
    )
