"""What a message may say of its lead: the variables of its template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.calls import unwanted
from streams.campaign import occasion_of
from streams.explain import in_words
from streams.offering import offered
from streams.stage import ORDER
from streams.vector import COLUMN

if TYPE_CHECKING:
    from streams.plays import Step
    from streams.record import Planned
    from streams.rules import Case


def variables_of(case: Case, planned: Planned, step: Step) -> dict[str, str | int | float | bool | None]:
    """The names that a template may use, and what they stand for; None where nothing is known."""
    x, profile = case.x, case.record.profile
    gap = float(x[COLUMN["usual_gap_days"]])
    return {
        "name": profile.name,
        "tenant": case.tenant,
        "lead": case.lead,
        "agent": profile.owner,
        "business": case.policy.business,
        "stage": ORDER[planned.stage].value,
        "action": step.action,
        "probability_percent": round(100 * case.probability),
        "silent_days": round(float(x[COLUMN["silent_days"]])),
        "usual_gap_days": None if gap != gap else round(gap),  # noqa: PLR0124 - NaN
        "reason": in_words("silence", x, raises=True),
        "journey": case.record.journey.stage if case.record.journey else None,
        "occasion": occasion_of(case, planned),
        "unwanted": unwanted(case.policy, case.record.consent, case.record.suppressed),
        "offer_words": found.offer.words if (found := offered(case, step, planned.stage)) else None,
    }
