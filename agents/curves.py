"""Curves of a test, as part of a manifest, for plots."""

from schemas.units import Outgoing
from streams.curves import Bin, gains, reliability
from streams.features import Floats


class Curves(Outgoing):
    """Points to draw (`streams.curves`): told and seen rate in bins of equal size, and shares found among the riskiest."""

    calibration: tuple[Bin, ...]
    found: tuple[float, ...]
    found_by_recency: tuple[float, ...]

    @classmethod
    def of(cls, y: Floats, p: Floats, raw: Floats, days: Floats) -> "Curves":
        """Of a test.

        Args:
            y: what came true, 1 = went quiet.
            p: calibrated probabilities.
            raw: scores before calibration.
            days: scores of recency alone.
        """
        return cls(calibration=reliability(p, y), found=gains(raw, y), found_by_recency=gains(days, y))
