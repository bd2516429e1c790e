"""Units and the two base models. Units live in types, not in comments.

`Incoming` is for what strangers send: unknown fields are ignored, wrong types are refused.
`Outgoing` is for what we write: an unknown field is a bug and is refused.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
"""A chance between 0 and 1."""
UtcTime = AwareDatetime
"""An instant with an offset, ISO 8601 (`2026-01-31T09:00:00Z`); naive times are refused."""
Cents = Annotated[int, Field(ge=0, le=10**13)]
"""Money in hundredths of the tenant's currency, never negative."""
Days = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Hours = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
TenantId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
"""A tenant: letters, digits, `_ . -`, at most 64. No colon: the key is `tenant:lead`."""
Whose = Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9_.-]{1,64})$", description="`*`: of all tenants")]
LeadId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@+-]{1,128}$")]
"""A lead within its tenant: letters, digits, `_ . : @ + -`, at most 128."""
MessageId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@+/=-]{1,128}$")]
"""An id that is the same whenever the same thing is sent again."""
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A policy or model version, or a policy's name; also the name of a folder, and part of ids."""


def e164(value: str) -> str:
    """Refuse numbers that could not be dialled from anywhere."""
    import phonenumbers  # noqa: PLC0415 - 60 ms to import, and needed by rare events only

    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException as error:
        raise ValueError("must be E.164, like +14155550132") from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError("is not a possible phone number; send E.164, like +14155550132")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


Phone = Annotated[str, Field(max_length=32), AfterValidator(e164)]
"""A phone number in E.164, like `+14155550132`."""
ShortText = Annotated[str, Field(max_length=256)]
Text = Annotated[str, Field(max_length=20_000)]


class Incoming(BaseModel):
    """What strangers send: frozen, strict about types, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Outgoing(BaseModel):
    """What we write: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Stage(StrEnum):
    """How close a lead is to going quiet, in rising order."""

    NONE = "none"
    EARLY_WARNING = "early_warning"
    ACTIVE_RISK = "active_risk"
    CRITICAL_RISK = "critical_risk"


class Level(StrEnum):
    """Risk level, derived from the stage thresholds: low < 0.3 <= medium < 0.6 <= high < 0.8 <= critical."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Channel(StrEnum):
    """The nine ways to reach a lead or the people who look after it; each has a topic of its own."""

    EMAIL = "email"
    SMS = "sms"
    PHONE = "phone"
    PUSH = "push"
    IN_APP = "in_app"
    AGENT_ALERT = "agent_alert"
    CRM_WORKFLOW = "crm_workflow"
    CRM_TASK = "crm_task"
    WEBHOOK = "webhook"


class DeliveryStatus(StrEnum):
    """Where one message stands, as far as the provider has said."""

    PENDING = "pending"
    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    BOUNCED = "bounced"
    OPENED = "opened"
    CLICKED = "clicked"
    RESPONDED = "responded"


Action = Literal[
    "immediate_call", "personalised_email", "special_offer", "schedule_meeting",
    "property_recommendation", "market_update", "agent_escalation", "re_engagement_campaign",
]  # fmt: skip
"""What a step is meant to do; the words of its message follow from it."""


class Priority(StrEnum):
    """How soon someone should look."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
