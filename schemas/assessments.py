"""What we think of a lead: published on `lead.assessments` whenever it changes enough to matter."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.units import LeadId, Level, MessageId, Outgoing, Probability, Stage, TenantId, UtcTime

Score100 = Annotated[float, Field(ge=0, le=100)]


class Reason(Outgoing):
    """One thing that raises or lowers the risk, in words, against the lead's own norm."""

    family: str
    text: str
    effect: Annotated[float, Field(description="share of the log-odds; positive raises the risk")]


class Health(Outgoing):
    """0 (worst) to 100. A part without data is null, not zero; `overall` is the mean of the parts that are known."""

    overall: Score100
    engagement: Score100 | None = None
    satisfaction: Score100 | None = None
    payment: Score100 | None = None
    responsiveness: Score100 | None = None


class Shift(Outgoing):
    """What moved the risk since an earlier moment."""

    since: Annotated[UtcTime, Field(description="when reasons were last told, else the lead's newest event")]
    change: Annotated[float, Field(description="of the probability since then")]
    text: str
    parts: Annotated[tuple[Reason, ...], Field(description="what moved it most; effects are differences")]


class HealthPart(Outgoing):
    """Why a part of the health score is what it is."""

    part: Literal["engagement", "satisfaction", "payment", "responsiveness"]
    score: Score100
    text: str


Band = Literal["<7", "7-14", "14-30", ">30"]
"""Days."""


class TimeToChurn(Outgoing):
    """When the lead will be lost if nothing is done; never a date. Days count from the assessment."""

    band: Annotated[Band, Field(description="in which one half of such leads are lost")]
    earliest_days: Annotated[
        float | None, Field(ge=0, description="10 % are lost by then; null: later than is looked at")
    ]
    latest_days: Annotated[
        float | None, Field(ge=0, description="90 % are lost by then; null: later than is looked at")
    ]


class Insight(Outgoing):
    """What is worked out only when a lead enters or leaves a stage and somebody may act on it."""

    retention: Annotated[Probability, Field(description="chance that the lead stays within the model's horizon")]
    shift: Annotated[Shift | None, Field(description="null: nothing to compare with")] = None
    health: tuple[HealthPart, ...] = ()
    churn: Annotated[
        TimeToChurn | None, Field(description="null: it is in no stage, or the version in force has no model of it")
    ] = None
    future_value_cents: Annotated[
        float | None, Field(ge=0, description="expected spending from here on, discounted; null: never bought")
    ] = None


class LeadAssessed(Outgoing):
    """The risk that a lead goes quiet, who said so, and why."""

    v: Literal[1] = 1
    type: Literal["lead_assessed"] = "lead_assessed"
    id: MessageId
    tenant: TenantId
    lead: LeadId
    at: UtcTime
    seq: Annotated[int, Field(ge=1, description="rises by one with each assessment of the lead")]
    cause: Annotated[MessageId, Field(description="id of the event, or of the tick, that led to it")]
    probability: Probability
    change: Annotated[float, Field(description="against the last published assessment; 0 for the first")] = 0.0
    level: Level
    stage: Stage
    previous_stage: Stage
    skipped: tuple[Stage, ...] = ()
    time_to_churn: Annotated[
        Band | None,
        Field(description="as in `insight.churn`; null: not worked out, or this version has no model of it"),
    ]
    confidence: Probability
    health: Health
    reasons: tuple[Reason, ...] = ()
    recommended: tuple[str, ...] = ()
    silent_days: Annotated[float, Field(ge=0)]
    method: Literal["rule", "model"]
    model_version: str
    policy_version: str
    insight: Annotated[Insight | None, Field(description="where the stage is entered or left, while we act")] = None
