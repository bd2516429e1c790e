"""Everything a tenant may set. Files live in `deploy/policies/*.toml`; unknown keys are refused.

The thresholds are in `thresholds`, the playbooks in `plays`, the journey in `lifecycle`, campaigns in `triggers`;
what a policy cannot mean is in `contradictions`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, model_validator

from schemas.errors import PolicyInvalid
from schemas.units import Action, Cents, Channel, Version
from streams.contradictions import contradictions
from streams.experiments import Experiment, Name
from streams.findings import ContradictionError
from streams.lifecycle import Journey, StageName
from streams.offers import Offer
from streams.plays import Playbook, Playbooks
from streams.stage import ORDER
from streams.thresholds import (
    Approvals,
    Budget,
    Caps,
    ChannelRule,
    CustomKind,
    Episodes,
    Escalation,
    Holdout,
    Publish,
    QuietHours,
    Section,
    SendTime,
    Stages,
)
from streams.triggers import Anniversary, Campaign
from streams.vocabulary import Family, Kind
from streams.wants import Wants, wants_of

Language = Literal["en"]
"""Languages in which messages can be read (`agents.sentiment`)."""


READ_ANYWAY = {"contradictions": "not looked for"}
"""Context in which a policy is validated that may contradict itself: to be looked at further, never to be used."""


class Policy(Section):
    """Everything a tenant may set."""

    name: Version
    version: Version
    business: str = "our team"
    lead_value_cents: Cents | None = None
    language: Annotated[
        Language | None,
        Field(description="of the leads' messages: their mood is read from the text; left out: it is not"),
    ] = None
    stages: Stages = Stages()
    vocabulary: dict[str, CustomKind] = Field(default={})
    channels: dict[Channel, ChannelRule]
    calls: Annotated[
        frozenset[Action],
        Field(
            description="actions that, by a staff channel, ask somebody to phone the lead: only if and when it may be"
        ),
    ] = frozenset({"immediate_call"})
    playbooks: Playbooks = Playbooks()
    journey: Journey = Journey()
    campaigns: Annotated[dict[StageName, Campaign], Field(max_length=30)] = Field(default={})
    quiet_hours: QuietHours = QuietHours()
    send_time: SendTime | None = None
    caps: Caps = Caps()
    budget: Budget = Budget()
    approvals: Approvals = Approvals()
    holdout: Holdout = Holdout()
    escalation: Escalation = Escalation()
    episodes: Episodes = Episodes()
    publish: Publish = Publish()
    experiments: dict[Name, Experiment] = Field(default={})
    offers: Annotated[dict[Name, Offer], Field(max_length=20)] = Field(default={})

    @model_validator(mode="after")
    def _means_something(self, info: ValidationInfo) -> Self:
        if info.context != READ_ANYWAY and (found := list(contradictions(self))):
            raise ContradictionError(found)
        return self

    @cached_property
    def experiment_on(self) -> Mapping[str, str]:
        """Template -> the experiment that takes its place."""
        return {experiment.template: name for name, experiment in self.experiments.items()}

    @cached_property
    def longest_rest_hours(self) -> float:
        """The longest rest between two contacts that any rule asks for."""
        return max(self.caps.cooldown_hours, *(rule.min_gap_hours for rule in self.channels.values()), 0.0)

    def programmes(self) -> Iterator[tuple[tuple[str | int, ...], Playbook | Campaign]]:
        """All that has steps, with the place of it: playbooks by stage, then campaigns."""
        for stage in ORDER[1:]:
            yield ("playbooks", str(stage)), self.playbooks.of(stage)
        for name, campaign in self.campaigns.items():
            yield ("campaigns", name), campaign

    @cached_property
    def learns(self) -> bool:
        """Whether anything that is learned changes what is done under it, or what is told."""
        return bool(
            self.send_time
            or self.offers
            or self.journey.stages
            or any(experiment.learn for experiment in self.experiments.values())
            or any(step.choose for _, programme in self.programmes() for step in programme.steps)
        )

    @cached_property
    def wants(self) -> Wants | None:
        """What of leads' activity the journey or a campaign wants to hear of; None: there are neither."""
        return wants_of(self.journey, self.campaigns.values())

    @cached_property
    def anniversaries(self) -> frozenset[str]:
        """Kinds of events whose last time some campaign counts from."""
        triggers = (campaign.trigger for campaign in self.campaigns.values())
        return frozenset(trigger.kind for trigger in triggers if isinstance(trigger, Anniversary))

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """Custom kinds and overrides of built-in ones, for `streams.vocabulary`."""
        return {name: Kind(Family[k.family.upper()], k.key) for name, k in self.vocabulary.items()}


PolicyOf = Callable[[str], Policy]
"""What gives the policy of a tenant."""


def parse_policy(raw: Mapping[str, Any], origin: str) -> Policy:
    """A policy from parsed TOML. Raises PolicyInvalid that names every wrong key and what is expected."""
    try:
        return Policy.model_validate(raw)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc'])) or 'policy'}: {e['msg']}" for e in error.errors(include_input=False)]
        raise PolicyInvalid(f"{origin} is not a valid policy:\n" + "\n".join(lines)) from None
