"""Intervals that stay honest however often one looks: asymptotic confidence sequences.

A fixed 95 % interval that is looked at every day excludes the truth in about a quarter of experiments in which nothing
differs. These are wider, and hold at all looks together (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas: Time-uniform central
limit theory and asymptotic confidence sequences, Annals of Statistics 52(6), 2024):

    half width = se sqrt(n) sqrt(2 (n r^2 + 1) / (n^2 r^2) ln(sqrt(n r^2 + 1) / a))
    r^2        = (-2 ln a + ln(1 - 2 ln a)) / n*

n: observations; n*: the number at which the interval is tightest; a: chance of ever being wrong.
"""

from math import log, sqrt

TIGHTEST_AT = 1_000
"""Leads at which most experiments of one tenant will be looked at."""


def half_width(se: float, n: float, wrong: float = 0.05) -> float:
    """Half the width of the interval around an estimate.

    Args:
        se: its standard error.
        n: observations behind it, of both sides of a difference.
        wrong: chance that the interval ever excludes the truth.
    """
    if n <= 0:
        return float("inf")
    r2 = (-2 * log(wrong) + log(1 - 2 * log(wrong))) / TIGHTEST_AT
    return se * sqrt(n) * sqrt(2 * (n * r2 + 1) / (n * n * r2) * log(sqrt(n * r2 + 1) / wrong))
