"""Experiments of a policy: several texts in the place of one. Who gets which is in `variants`, what is learned in `bandit`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.units import Probability
from streams.thresholds import Section

Name = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
Goal = Literal["kept", "converted", "responded"]
"""kept: gave a sign of life or converted. Opens and clicks are no goals: a subject line can promise what the text does not
keep, and machines open mail."""


BUILT_IN_EXPERIMENTS = {"channel_choice": ["as_written", "learned"], "send_time": ["fixed", "learned"]}
"""Not of a policy: what choosing the channel, or the hour, is worth against not choosing. By name, their variants."""


class Variant(Section):
    """One of the texts."""

    template: str
    weight: Annotated[float, Field(ge=0)] = Field(default=1.0, description="share, relative to the others; 0: stopped")


class Experiment(Section):
    """Texts that take turns in the place of a template. Another name is another draw."""

    template: str = Field(description="as a step, or one of its fallbacks, names it")
    variants: Annotated[dict[Name, Variant], Field(min_length=2)]
    goal: Goal = "kept"
    learn: bool = Field(default=True, description="false: the weights stay as they are written")
    floor: Probability = Field(default=0.05, description="least chance of a variant that is not stopped, when learning")

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        if not any(variant.weight for variant in self.variants.values()):
            raise ValueError("all variants are stopped; give at least one a weight above 0")
        if self.floor * len(self.variants) > 1:
            raise ValueError(f"floor x {len(self.variants)} variants is more than 1; lower the floor")
        return self
