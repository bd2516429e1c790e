"""How features were spread among the leads that a model learned from, to tell later whether they have moved."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from schemas.units import Outgoing
from streams.drift import Moved, Reference, drift, reference
from streams.features import Floats, Ints
from streams.vector import NAMES

RISK = "risk"
"""The probability itself, beside the features."""


class Spread(Outgoing):
    """As part of a manifest."""

    leads: int = Field(description="different ones")
    features: dict[str, Reference]

    @classmethod
    def of(cls, x: Floats, risk: Floats, leads: Ints) -> "Spread":
        """Of rows that were learned from.

        Args:
            x: features.
            risk: calibrated probabilities.
            leads: whose rows they are.
        """
        columns = {name: reference(x[:, i]) for i, name in enumerate(NAMES)}
        return cls(leads=len(np.unique(leads)), features={**columns, RISK: reference(risk)})

    def known(self, feature: str) -> float:
        """Share of the rows of which a feature was known."""
        return 1.0 - self.features[feature].shares[-1]

    def drift(self, x: Floats, risk: Floats) -> Sequence[Moved]:
        """How far today's leads are from that, the farthest feature first; nothing where they are too few."""
        return drift(self.features, self.leads, np.column_stack([x, risk]), (*NAMES, RISK))
