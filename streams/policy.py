"""Every threshold of the business, typed, with its unit. Files live in `deploy/policies/*.toml`; unknown keys are refused."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from schemas.errors import PolicyInvalid
from schemas.units import Cents, Channel, Days, Hours, Priority, Probability, Stage
from streams.stage import ORDER
from streams.vocabulary import BUILT_IN, CONNECTED, Family, Kind


class Section(BaseModel):
    """Frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Stages(Section):
    """Where stages begin, and what keeps them from flapping."""

    early_warning: Probability = 0.3
    active_risk: Probability = 0.6
    critical_risk: Probability = 0.8
    hysteresis: Annotated[float, Field(ge=0, le=0.3)] = 0.1
    dwell_hours: Hours = 24.0
    grace_days: Days = 1.0

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
    min_gap_hours: Hours = 0.0
    cost_cents: Annotated[float, Field(ge=0)] = 0.0


class Step(Section):
    """One step of a playbook."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    action: Literal[
        "immediate_call", "personalised_email", "special_offer", "schedule_meeting",
        "property_recommendation", "market_update", "agent_escalation", "re_engagement_campaign",
    ]  # fmt: skip
    channel: Channel
    template: str
    delay_hours: Hours = 0.0
    within_hours: Annotated[float, Field(gt=0)] = 48.0
    fallback: tuple[Channel, ...] = ()
    priority: Priority = Priority.MEDIUM


class Playbook(Section):
    """What a stage asks for."""

    steps: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [s.name for s in self.steps]
        if len(set(names)) != len(names):
            raise ValueError("two steps have the same name")
        return self


class Playbooks(Section):
    """One playbook per stage."""

    early_warning: Playbook = Playbook()
    active_risk: Playbook = Playbook()
    critical_risk: Playbook = Playbook()

    def of(self, stage: Stage) -> Playbook:
        """The playbook of a stage; NONE has none."""
        return Playbook() if stage is Stage.NONE else getattr(self, stage.value)


class QuietHours(Section):
    """Local hours in which the lead is not contacted."""

    start: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "20:00"
    end: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "09:00"
    timezone: str = Field(default="UTC", description="used when the lead's own zone is not known")

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no IANA time zone; write one like America/New_York, or UTC") from error
        return value

    @cached_property
    def minutes(self) -> tuple[int, int]:
        """Start and end as minutes after local midnight."""
        return _minutes(self.start), _minutes(self.end)


class Caps(Section):
    """How often a lead may be contacted, over all channels that reach it, and the rest between two contacts."""

    max_per_day: Annotated[int, Field(ge=0)] = 1
    max_per_week: Annotated[int, Field(ge=0)] = 3
    cooldown_hours: Hours = 20.0


class Holdout(Section):
    """Share of leads that is judged but never contacted, so that the effect can be measured."""

    share: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    salt: str = "holdout-1"


class Escalation(Section):
    """When and to whom a lead is escalated."""

    target: str = "duty-manager"
    cooldown_hours: Hours = 24.0
    least_value_cents: Cents = 0
    acknowledge_within_hours: Hours = 2.0


class Episodes(Section):
    """When an episode ends, and how long an intervention may take credit."""

    attribution_days: Days = 14.0
    churned_after_silent_days: Days = 90.0
    expires_after_days: Days = 180.0
    converting: frozenset[str] = frozenset({"purchase_completed", "subscription_started", "subscription_renewed"})


class Publish(Section):
    """When an assessment is worth publishing, and how long state is kept."""

    min_change: Annotated[float, Field(ge=0, le=1)] = 0.02
    forget_closed_after_days: Days = 30.0
    forget_silent_after_days: Days = 730.0


Language = Literal["en"]
"""Languages in which messages can be read (`agents.sentiment`)."""


class Policy(Section):
    """Everything a tenant may set."""

    name: str
    version: str
    business: str = "our team"
    lead_value_cents: Cents | None = None
    language: Annotated[
        Language | None,
        Field(description="of the leads' messages: their mood is read from the text; left out: it is not"),
    ] = None
    stages: Stages = Stages()
    vocabulary: dict[str, CustomKind] = {}
    channels: dict[Channel, ChannelRule]
    playbooks: Playbooks = Playbooks()
    quiet_hours: QuietHours = QuietHours()
    caps: Caps = Caps()
    holdout: Holdout = Holdout()
    escalation: Escalation = Escalation()
    episodes: Episodes = Episodes()
    publish: Publish = Publish()

    @model_validator(mode="after")
    def _steps_use_known_channels(self) -> Self:
        for stage in ORDER[1:]:
            for step in self.playbooks.of(stage).steps:
                for channel in (step.channel, *step.fallback):
                    if channel not in self.channels:
                        raise ValueError(
                            f"playbooks.{stage}.{step.name} uses {channel}, which [channels] does not describe"
                        )
        return self

    @model_validator(mode="after")
    def _conversions_are_signs_of_life(self) -> Self:
        for name in sorted(self.episodes.converting):
            kind = self.kinds.get(name) or (CONNECTED if name == "call_completed" else BUILT_IN.get(name))
            if kind is None:
                raise ValueError(
                    f"episodes.converting names {name!r}, which is no event type and no kind of the vocabulary: "
                    f"correct it, or describe it under [vocabulary.{name}]"
                )
            if not kind.key:
                raise ValueError(
                    f"episodes.converting names {name!r}, which is no sign of life: "
                    f"take it out, or set key = true under [vocabulary.{name}]"
                )
        return self

    @cached_property
    def longest_rest_hours(self) -> float:
        """The longest rest between two contacts that any rule asks for."""
        return max(self.caps.cooldown_hours, *(rule.min_gap_hours for rule in self.channels.values()), 0.0)

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """Custom kinds and overrides of built-in ones, for `streams.vocabulary`."""
        return {name: Kind(Family[k.family.upper()], k.key) for name, k in self.vocabulary.items()}


def parse_policy(raw: Mapping[str, Any], origin: str) -> Policy:
    """A policy from parsed TOML. Raises PolicyInvalid that names every wrong key and what is expected."""
    try:
        return Policy.model_validate(raw)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc'])) or 'policy'}: {e['msg']}" for e in error.errors(include_input=False)]
        raise PolicyInvalid(f"{origin} is not a valid policy:\n" + "\n".join(lines)) from None


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
