"""Campaigns: playbooks that something else than a churn stage begins. What begins them, and for whom."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from schemas import events as e
from schemas.units import Cents, Days, Probability, Stage
from streams.lifecycle import Kinds, StageName
from streams.plays import Steps
from streams.thresholds import Section

STOPS = ("recovery", "reply", "opt_out")
"""What ends a playbook, and may end a campaign, besides kinds of events."""


def _day_exists(value: str) -> str:
    try:
        date.fromisoformat(f"2023-{value}")
    except ValueError as error:
        raise ValueError(f"{value!r} is no day that every year has; write month and day, like 09-15") from error
    return value


class OnEvent(Section):
    """Something was heard: a no-show, a finished job, what the CRM says is due."""

    type: Literal["event"]
    kinds: Annotated[Kinds, Field(min_length=1)]


class AppointmentDue(Section):
    """So long before the appointment that was agreed last; one made later than that needs no reminder."""

    type: Literal["appointment_due"]
    hours_before: Annotated[float, Field(gt=0)]


class RenewalDue(Section):
    """So long before the contract renews."""

    type: Literal["renewal_due"]
    days_before: Annotated[Days, Field(gt=0)]


class Anniversary(Section):
    """So long after the newest event of a kind: a year after the last visit."""

    type: Literal["anniversary"]
    kind: str
    after_days: Annotated[Days, Field(gt=0)]
    within_days: Annotated[Days, Field(gt=0)] = 30.0


class Season(Section):
    """A day of the year, and so many days from it; leads get their turn one by one over the first of them."""

    type: Literal["season"]
    start: Annotated[str, Field(pattern=r"^\d\d-\d\d$"), AfterValidator(_day_exists)]
    days: Annotated[Days, Field(ge=1, le=180)] = 30.0
    heard_within_days: Days = 730.0


class SatisfactionDrop(Section):
    """A survey, a review or a message leaves the lead's satisfaction below this."""

    type: Literal["satisfaction_drop"]
    below: Probability


class Satisfied(Section):
    """A survey, a review or a message leaves the lead's satisfaction at this or above: the one to ask for a referral."""

    type: Literal["satisfied"]
    at_least: Probability


class ChurnRisk(Section):
    """The lead rises to a churn stage; its playbook begins as well, and the arbiter says which step goes first."""

    type: Literal["churn_risk"]
    stage: Stage


class LifecycleStage(Section):
    """The lead enters a stage of the journey, comes back to it, or is stuck in it."""

    type: Literal["lifecycle_stage"]
    stage: StageName
    when: Literal["entered", "moved_back", "stalled"] = "entered"


Trigger = (
    OnEvent
    | AppointmentDue
    | RenewalDue
    | Anniversary
    | Season
    | SatisfactionDrop
    | Satisfied
    | ChurnRisk
    | LifecycleStage
)
MEETINGS = frozenset({"appointment_scheduled", "appointment_cancelled"})
CONTRACTS = frozenset({"subscription_started", "subscription_renewed", "subscription_cancelled"})


def heard_by(trigger: Trigger) -> frozenset[str]:
    """Kinds of events that a trigger listens to; empty: it waits for time, a stage, the journey or a mood."""
    match trigger:
        case OnEvent():
            return frozenset(trigger.kinds)
        case AppointmentDue():
            return MEETINGS
        case RenewalDue():
            return CONTRACTS
        case Anniversary():
            return frozenset({trigger.kind})
        case _:
            return frozenset()


def kind_of(event: e.Activity) -> str:
    """What an activity is called in a policy: its type, or the kind of a custom one."""
    return event.kind if type(event) is e.Custom else event.type


def waits_for_time(trigger: Trigger) -> bool:
    """Whether a day begins it, and not an event or a stage."""
    if isinstance(trigger, LifecycleStage):
        return trigger.when == "stalled"
    return isinstance(trigger, AppointmentDue | RenewalDue | Anniversary | Season)


class Where(Section):
    """Who is meant; all of it has to hold when the campaign begins."""

    journey: frozenset[StageName] = Field(default=frozenset(), description="stages of the journey; none named: any")
    risk: frozenset[Stage] = Field(default=frozenset(), description="churn stages, `none` among them; none named: any")
    health: tuple[Annotated[float, Field(ge=0, le=100)], Annotated[float, Field(ge=0, le=100)]] | None = Field(
        default=None, description="least and greatest health"
    )
    least_value_cents: Cents = 0


class Campaign(Section):
    """Steps, as of a playbook, that a trigger begins; in the arbiter they stand beside those of the playbooks.

    Closing and erasing the lead always end it; so does another word about the day that it speaks of.
    """

    trigger: Annotated[Trigger, Field(discriminator="type")]
    where: Where = Where()
    again_after_days: Days = Field(default=30.0, description="least time between two runs of it for a lead")
    stop_on: frozenset[str] = Field(
        default=frozenset({"opt_out"}), description="recovery, reply, opt_out (see playbooks), or kinds of events"
    )
    holdout: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.0,
        description="share of leads for which this campaign is only written down, besides the holdout of all",
    )
    steps: Annotated[Steps, Field(min_length=1)]
