"""The course of a lead's risk, for people who have to act on it: what was told of it lately, and whether it rises or falls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from schemas.escalations import RiskAt, Trend
from streams.record import Episode, Risk
from streams.vector import vectors

if TYPE_CHECKING:
    from streams.rules import Case

KEPT = 5
"""Assessments of an episode whose risk is remembered."""
NOTICEABLE = 0.02
"""A smaller change of the probability is no trend; what came before it counts then."""


def note_risk(episode: Episode, at: float, probability: float) -> None:
    """An assessment was published while the episode was open."""
    episode.course = [*episode.course[1 - KEPT :], Risk(at, probability)]


def trend_of(case: Case) -> Trend | None:
    """From right after the lead's newest event, where that was before, over the last assessments; None: nothing to compare.

    In silence a lead's row has not changed since its newest event, so what was thought then can be worked out again.
    """
    episode, last = case.record.episode, float(case.signs["last"])
    course = list(episode.course) if episode else []
    course = course or [Risk(case.now, case.probability)]
    if 0 < last < course[0].at:
        then = vectors(np.array([case.signs], case.desk.table.rows.dtype), np.array([last]))
        course.insert(0, Risk(last, float(case.desk.scorer.score(then)[0])))
    if len(course) == 1:
        return None
    changes = (course[-1].probability - one.probability for one in reversed(course[:-1]))
    newest = next((change for change in changes if abs(change) >= NOTICEABLE), 0.0)
    return Trend(
        direction="rising" if newest > 0 else "falling" if newest < 0 else "steady",
        change=round(course[-1].probability - course[0].probability, 6),
        days=round((course[-1].at - course[0].at) / 86_400, 3),
        course=tuple(RiskAt.model_validate({"at": one.at, "probability": one.probability}) for one in course),
    )
