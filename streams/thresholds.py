"""The parts of a policy: every threshold of the business, typed, with its unit. Playbooks are in `plays`."""

from functools import cached_property
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_serializer,
    field_validator,
    model_validator,
)

from schemas.units import Action, Cents, Days, Hours, Probability
from streams.closed_days import is_calendar

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


def _zone_exists(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no IANA time zone; write one like America/New_York, or UTC") from error
    return value


Zone = Annotated[str, AfterValidator(_zone_exists)]


CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"


Rest = Annotated[Hours, Field(le=8760, description="at most a year")]
Someone = Annotated[str, Field(pattern=r"\S", max_length=256)]


class Section(BaseModel):
    """Frozen, unknown keys refused; written down the same way by every process, which a set by itself is not."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_serializer("*", mode="wrap", when_used="json")
    def _in_order(self, value: Any, written: SerializerFunctionWrapHandler) -> Any:
        return sorted(written(value)) if isinstance(value, frozenset) else written(value)


class Stages(Section):
    """Where stages begin, and what keeps them from flapping."""

    early_warning: Probability = 0.3
    active_risk: Probability = 0.6
    critical_risk: Probability = 0.8
    hysteresis: Annotated[float, Field(ge=0, le=0.3)] = 0.1
    dwell_hours: Rest = 24.0
    grace_days: Annotated[Days, Field(le=365)] = 1.0

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.early_warning < self.active_risk < self.critical_risk:
            raise ValueError("thresholds must rise: early_warning < active_risk < critical_risk")
        return self

    @cached_property
    def enter(self) -> tuple[float, float, float]:
        """The three thresholds, rising."""
        return (self.early_warning, self.active_risk, self.critical_risk)


class CustomKind(Section):
    """Meaning of a custom kind, or another meaning for a built-in type."""

    family: Literal["browse", "intent", "reply", "visit", "purchase", "trouble", "payment", "unanswered", "other"]
    key: bool = Field(description="a sign of life: the lead did it with intent")


class ChannelRule(Section):
    """What holds for one channel."""

    contacts_lead: bool = Field(description="reaches the lead itself; consent, quiet hours and caps apply")
    consent: Literal["opt_in", "opt_out"] = "opt_out"
    max_per_week: Annotated[int, Field(ge=0)] = 7
    min_gap_hours: Rest = 0.0
    cost_cents: Annotated[float, Field(ge=0)] = 0.0


class QuietHours(Section):
    """Local hours in which the lead is not contacted."""

    start: Annotated[str, Field(pattern=CLOCK)] = "20:00"
    end: Annotated[str, Field(pattern=CLOCK)] = "09:00"
    timezone: Zone = Field(
        default="UTC", description="of the tenant; used when neither lead, phone nor region tell one"
    )
    regions: dict[Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")], Zone] = Field(
        default={}, description="zones of regions, like US-CA"
    )
    days_off: frozenset[Weekday] = Field(default=frozenset(), description="days of the week that are quiet as a whole")
    holidays: str | None = Field(
        default=None, description="calendar, like US or DE-BY; a lead's own region goes before it"
    )

    @field_validator("holidays")
    @classmethod
    def _calendar_exists(cls, value: str | None) -> str | None:
        if value is not None and not is_calendar(value):
            raise ValueError(f"{value!r} is no calendar; write a country like US, or a subdivision of one like DE-BY")
        return value

    @field_validator("days_off")
    @classmethod
    def _some_day_is_left(cls, value: frozenset[Weekday]) -> frozenset[Weekday]:
        if len(value) == len(WEEKDAYS):
            raise ValueError("every day is off; leave at least one")
        return value

    @cached_property
    def minutes(self) -> tuple[int, int]:
        """Start and end as minutes after local midnight."""
        return _minutes(self.start), _minutes(self.end)


class Caps(Section):
    """How often a lead may be contacted, over all channels that reach it, and the rest between two contacts."""

    max_per_day: Annotated[int, Field(ge=0)] = 1
    max_per_week: Annotated[int, Field(ge=0)] = 3
    cooldown_hours: Rest = 20.0
    action_gap_hours: dict[Action, Hours] = Field(
        default={}, description="least time between two of one kind, by any channel"
    )


class Budget(Section):
    """What may be spent in a day on the tenant's clock; each inbox partition has an equal share of it."""

    per_day_cents: Annotated[float, Field(ge=0)] | None = None


class BlastRadius(Section):
    """To how many leads one kind of action goes by itself; each inbox partition has an equal share, at least one."""

    leads: Annotated[int, Field(ge=1, description="for whom it may come up within the window")]
    within_hours: Annotated[float, Field(gt=0, le=168)] = 1.0


class Approvals(Section):
    """Which steps wait for a person's yes, and for how long."""

    actions: frozenset[Action] = frozenset()
    above_cost_cents: Annotated[float, Field(ge=0)] | None = None
    above_value_cents: Cents | None = None
    blast_radius: BlastRadius | None = Field(
        default=None, description="beyond it, each further step of that action waits"
    )
    expires_after_hours: Annotated[float, Field(gt=0)] = 24.0


class Holdout(Section):
    """Share of leads that is judged but never contacted, so that the effect can be measured."""

    share: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    salt: str = "holdout-1"


class SendTime(Section):
    """The hour to which steps of low and medium priority are held, on the lead's clock, where that is before they expire."""

    hour: Annotated[int, Field(ge=0, le=23)] = Field(default=10, description="until more is known, and to compare with")
    control: Probability = Field(default=0.2, description="share of leads that is always held to it")
    explore: Probability = Field(default=0.1, description="share of leads by which other hours are tried out")

    @model_validator(mode="after")
    def _some_are_left(self) -> Self:
        if self.control + self.explore >= 1:
            raise ValueError("control and explore leave nobody whose hour could be learned; lower one of them")
        return self


class WorkingHours(Section):
    """When people are at work, on the tenant's clock (`quiet_hours.timezone`); the tenant's holidays are free."""

    start: Annotated[str, Field(pattern=CLOCK)] = "09:00"
    end: Annotated[str, Field(pattern=CLOCK)] = "18:00"
    days: Annotated[frozenset[Weekday], Field(min_length=1)] = frozenset(WEEKDAYS[:5])

    @model_validator(mode="after")
    def _in_one_day(self) -> Self:
        if self.minutes[0] >= self.minutes[1]:
            raise ValueError("working hours end before they begin: start must be earlier than end")
        return self

    @cached_property
    def minutes(self) -> tuple[int, int]:
        """Start and end as minutes after local midnight."""
        return _minutes(self.start), _minutes(self.end)


class Escalation(Section):
    """When and to whom a lead is escalated; who does not acknowledge in time gives way to the next."""

    chain: tuple[Someone, ...] = Field(
        default=("manager",), description="who is asked, in this order; owner and manager stand for the lead's own"
    )
    target: Someone = Field(default="duty-manager", description="who is asked last")
    task_template: str | None = Field(default=None, description="of the CRM task when nobody acknowledges")
    working_hours: WorkingHours | None = Field(default=None, description="the time to acknowledge counts only then")
    hours: dict[str, WorkingHours] = Field(
        default={}, description="of single people, by name, or of owner and manager; who is at work is asked first"
    )
    most_open: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="escalations that one person has at a time; each inbox partition has an equal share, at least one",
    )
    cooldown_hours: Rest = 24.0
    least_value_cents: Cents = 0
    undelivered: Annotated[int, Field(ge=0)] = Field(
        default=3,
        description="messages of an episode that did not get through until somebody is asked, or all of a stage; 0: never",
    )
    acknowledge_within_hours: Annotated[float, Field(gt=0)] = 2.0


class Episodes(Section):
    """When an episode ends, and how long an intervention may take credit."""

    attribution_days: Days = 14.0
    churned_after_silent_days: Days = 90.0
    expires_after_days: Annotated[Days, Field(gt=0)] = 180.0
    converting: frozenset[str] = frozenset({"purchase_completed", "subscription_started", "subscription_renewed"})


class Publish(Section):
    """When an assessment is worth publishing, and how long state is kept."""

    min_change: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    forget_closed_after_days: Days = 30.0
    forget_silent_after_days: Days = 730.0


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
