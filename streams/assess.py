"""What an assessment says, as the bytes that are published.

Almost every event can lead to one, so it is written straight from numbers: `schemas.assessments.LeadAssessed` describes
it, and contract tests hold the two together.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np

from schemas.assessments import Health, LeadAssessed
from schemas.units import Level
from streams.features import Floats, Ints
from streams.grounds import Ground
from streams.health import PARTS, confidence, health
from streams.stage import ORDER
from streams.vector import COLUMN

STAGES = tuple(str(stage) for stage in ORDER)
LEVELS = tuple(str(level) for level in (Level.LOW, Level.MEDIUM, Level.HIGH, Level.CRITICAL))
_SILENT = COLUMN["silent_days"]
HEALTH = slice(1, 1 + len(PARTS))
"""Of a row of `measures`: health and its parts."""
_encode = msgspec.json.Encoder().encode
# The field order of the contract; positional, since names cost as much again as the rest.
_ALWAYS = [name for name in LeadAssessed.model_fields if name != "insight"]
_Assessment = msgspec.defstruct("Assessment", [*_ALWAYS, ("insight", Any, None)], omit_defaults=True)
_Health = msgspec.defstruct("Health", list(Health.model_fields))


class Judge(NamedTuple):
    """Who said so."""

    method: str
    model: str
    policy: str


class Finding(NamedTuple):
    """What was found of one lead: vector, probability, and what of it its stage goes by (`stage.felt`).

    `measured` and `ground`: its row of `measures`, and what a move of stage is explained by, where leads were looked at
    together: one by one that takes many times as long.
    """

    x: Floats
    probability: float
    felt: float
    measured: Sequence[float] | None = None
    ground: Ground | None = None


class Notes(NamedTuple):
    """What is told only when a lead enters or leaves a stage."""

    skipped: tuple[str, ...] = ()
    reasons: Sequence[dict[str, Any]] = ()
    recommended: tuple[str, ...] = ()
    insight: dict[str, Any] | None = None


NOTHING = Notes()


def assessment_id(born: int, seq: int) -> str:
    """Id of an assessment: the life of the lead (`ids.life_of`), and which assessment of it."""
    return f"asm-{born:016x}-{seq}"


def measures(x: Floats, p: Floats) -> Floats:
    """Per row: confidence, health and its parts (`health.PARTS`), silent days. NaN: not known."""
    silent = np.round(x[:, _SILENT], 3)
    return np.concatenate([confidence(x, p)[:, None], health(x), silent[:, None]], axis=1)


def changes(p: Floats, published: Floats, seq: Ints) -> Floats:
    """Against the last published assessments, to 6 decimals; 0 for a first one (`seq` counts those before)."""
    return np.where(seq > 0, np.round(p - published, 6), 0.0) + 0.0  # never -0


def change(p: float, published: float, seq: int) -> float:
    """The same of one lead, to the bit, in a tenth of the time."""
    return round((p - published) * 1e6) / 1e6 + 0.0 if seq else 0.0


def assessment(
    tenant: str,
    lead: str,
    born: int,
    seq: int,
    now: float,
    cause: str,
    probability: float,
    changed: float,
    level: int,
    stage: int,
    before: int,
    measured: Sequence[float],
    judge: Judge,
    notes: Notes = NOTHING,
) -> bytes:
    """One assessment.

    Args:
        tenant: of the lead.
        lead: its id there.
        born: see `ids.life_of`.
        seq: 1 for the first of the lead.
        now: stream time, epoch seconds.
        cause: id of the message that led to it.
        probability: 0 to 1.
        changed: as `change` gives it.
        level: index into `LEVELS`.
        stage: index into `ORDER`: where the lead is now.
        before: where it was.
        measured: a row of `measures`.
        judge: method and versions.
        notes: for another stage than before.
    """
    certain, overall, engagement, satisfaction, payment, responsiveness, silent = measured
    return _encode(
        _Assessment(
            1,
            "lead_assessed",
            assessment_id(born, seq),
            tenant,
            lead,
            datetime.fromtimestamp(now, UTC),
            seq,
            cause,
            probability,
            changed,
            LEVELS[level],
            STAGES[stage],
            STAGES[before],
            notes.skipped,
            notes.insight["churn"]["band"] if notes.insight and notes.insight["churn"] else None,
            certain,
            _Health(overall, engagement, satisfaction, payment, responsiveness),  # what is NaN becomes null
            notes.reasons,
            notes.recommended,
            silent,
            judge.method,
            judge.model,
            judge.policy,
            notes.insight,
        )
    )
