"""What is said when a lead enters or leaves a stage: reasons, what has changed, what its health is made of, what it is worth.

Exact effects cost half a millisecond a lead, so this is worked out only then, and only while we act on it; on request it is
worked out from the lead's state (`leadkeeper lead explain`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from schemas.assessments import Insight, TimeToChurn
from streams.assess import Notes
from streams.explain import reasons_of, shift_of
from streams.features import Floats
from streams.health import health_in_words
from streams.recommended import recommended_of
from streams.record import Told
from streams.stage import skipped
from streams.value import future_value_cents
from streams.vector import vectors

if TYPE_CHECKING:
    from streams.rules import Case


class Before(NamedTuple):
    """An earlier moment to compare with."""

    at: float
    probability: float
    effects: Floats


def notes_of_move(case: Case, probability: float, before: int) -> Notes:
    """Notes of an assessment that moves a lead to another stage; keeps what the next one will be compared with.

    What is recommended is the playbook of a stage that is entered from below; a fall says only what brought it.
    """
    rises = case.stage > before
    passed = skipped(before, case.stage) if rises else ()
    recommended = recommended_of(case, probability) if rises else ()
    if not case.desk.acting:
        return Notes(passed, (), recommended)
    x, scorer = case.x, case.desk.scorer
    effects, earlier = _effects(case)
    told = [round(100 * effect) for effect in effects.tolist()]
    case.record.told = Told(case.now, probability, scorer.version, told)
    insight = Insight(
        retention=1 - probability,
        shift=None
        if earlier is None
        else shift_of(effects - earlier.effects, x, _time(earlier.at), probability - earlier.probability),
        health=health_in_words(x),
        churn=time_to_churn(case) if case.stage else None,
        future_value_cents=future_value_cents(x, probability, scorer.horizon_days),
    )
    reasons = [reason.model_dump() for reason in reasons_of(effects, x)]
    return Notes(passed, reasons, recommended, insight.model_dump())


def time_to_churn(case: Case) -> TimeToChurn | None:
    """When the lead will be lost, by the model of it; None: the version that judges has none."""
    when = case.desk.scorer.forecast(case.x)
    return None if when is None else TimeToChurn.model_validate(when._asdict())


def _effects(case: Case) -> tuple[Floats, Before | None]:
    """Effects now, and the moment to compare with.

    That is when reasons were last told in this episode, if the same model told them. Else it is right after the lead's
    newest event: in silence its row has not changed since, so what was thought then can be worked out again. If that event
    is what brings the rise, what was before it is not known any more.
    """
    scorer, told, last = case.desk.scorer, case.record.told, float(case.signs["last"])
    if told is not None and told.model == scorer.version and len(told.effects):
        now = scorer.effects(case.x[None, :])[0]
        return now, Before(told.at, told.probability, np.array(told.effects) / 100)
    if not 0 < last < case.now:
        return scorer.effects(case.x[None, :])[0], None
    then = vectors(np.array([case.signs], case.desk.table.rows.dtype), np.array([last]))
    now, earlier = scorer.effects(np.concatenate([case.x[None, :], then]))
    return now, Before(last, float(scorer.score(then)[0]), earlier)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
