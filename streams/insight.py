"""What is said when a lead enters or leaves a stage: reasons, what has changed, what its health is made of, what it is worth.

Exact effects cost a tenth of a millisecond a lead and more (`grounds.py`), so this is worked out only then, and only while we
act on it; on request it is worked out from the lead's state (`leadkeeper lead explain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from schemas.assessments import Insight, TimeToChurn
from streams.assess import Notes
from streams.explain import reasons_of, shift_of
from streams.grounds import Before
from streams.health import health_in_words
from streams.recommended import recommended_of
from streams.record import Told
from streams.stage import skipped
from streams.value import future_value_cents

if TYPE_CHECKING:
    from streams.rules import Case


def notes_of_move(case: Case, probability: float, before: int, parts: Sequence[float]) -> Notes:
    """Notes of an assessment that moves a lead to another stage; keeps what the next one will be compared with.

    What is recommended is the playbook of a stage that is entered from below; a fall says only what brought it. `parts`: its
    row of `health`.
    """
    rises = case.stage > before
    passed = skipped(before, case.stage) if rises else ()
    recommended = recommended_of(case, probability) if rises else ()
    if not case.desk.acting:
        return Notes(passed, (), recommended)
    x, scorer = case.x, case.desk.scorer
    effects, earlier = case.ground.effects, _earlier(case)
    told = [round(100 * effect) for effect in effects.tolist()]
    case.record.told = Told(case.now, probability, scorer.version, told)
    insight = Insight(
        retention=1 - probability,
        shift=None
        if earlier is None
        else shift_of(effects - earlier.effects, x, _time(earlier.at), probability - earlier.probability),
        health=health_in_words(x, parts),
        churn=time_to_churn(case) if case.stage else None,
        future_value_cents=future_value_cents(x, probability, scorer.horizon_days),
    )
    reasons = [reason.model_dump() for reason in reasons_of(effects, x)]
    return Notes(passed, reasons, recommended, insight.model_dump())


def time_to_churn(case: Case) -> TimeToChurn | None:
    """When the lead will be lost, by the model of it; None: the version that judges has none."""
    when = case.ground.forecast
    return None if when is None else TimeToChurn.model_validate(when._asdict())


def _earlier(case: Case) -> Before | None:
    """The moment to compare with: when reasons were last told in this episode, if the same model told them.

    Else it is right after the lead's newest event: in silence its row has not changed since, so what was thought then can
    be worked out again. If that event is what brings the rise, what was before it is not known any more.
    """
    told = case.record.told
    if told is not None and told.model == case.desk.scorer.version and len(told.effects):
        return Before(told.at, told.probability, np.array(told.effects) / 100)
    return case.ground.at_last


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
