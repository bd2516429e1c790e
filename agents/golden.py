"""Golden rows: feature rows with the probabilities that the trainer's machine gave them. Another machine must give the same."""

import base64
import zlib
from typing import Annotated

import numpy as np
from pydantic import Field

from schemas.errors import ModelInvalid
from schemas.units import Outgoing, Probability
from streams.features import Floats
from streams.risk import Scorer
from streams.vector import NAMES

ROWS = 200
TOLERANCE = 1e-9
"""Machines may differ in the last bits of an exponential, and in nothing else."""


class Golden(Outgoing):
    """Some rows and what they score, as part of a manifest."""

    rows: Annotated[str, Field(description="float64, row after row, deflated by zlib, in base64")]
    probabilities: tuple[Probability, ...]

    @classmethod
    def of(cls, x: Floats, probabilities: Floats) -> "Golden":
        """Some of these rows, from the lowest risk to the highest."""
        order = np.argsort(probabilities, kind="stable")
        kept = order[np.unique(np.linspace(0, len(order) - 1, min(ROWS, len(order))).astype(np.int64))]
        packed = zlib.compress(np.ascontiguousarray(x[kept], "<f8").tobytes(), 9)
        return cls(rows=base64.b64encode(packed).decode(), probabilities=tuple(map(float, probabilities[kept])))

    def x(self) -> Floats:
        """The rows. Raises ValueError or zlib.error where they are damaged."""
        flat = np.frombuffer(zlib.decompress(base64.b64decode(self.rows)), "<f8")
        return flat.reshape(len(self.probabilities), len(NAMES))


def check(golden: Golden, scorer: Scorer) -> None:
    """Raise ModelInvalid where a model scores its golden rows differently here."""
    try:
        x = golden.x()
    except (ValueError, zlib.error) as error:
        raise ModelInvalid(f"{scorer.version}: its golden rows cannot be read ({error}); train again") from None
    off = float(np.abs(scorer.score(x) - np.array(golden.probabilities)).max(initial=0.0))
    if not off <= TOLERANCE:
        raise ModelInvalid(
            f"{scorer.version} scores golden rows differently here than where it was trained, by up to {off:.2g}; "
            "use the versions of LightGBM and pylignum that were used there, or train again here"
        )
