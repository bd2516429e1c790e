"""What a lead will still spend, where it has bought: a simple formula, on purpose, that anyone can check by hand.

    value = m r / (1 + i - r)

m: spending a year so far; r: share of leads like this one that are still there a year on; i: 10 % a year, since money later is
worth less. This is the customer lifetime value of Gupta and Lehmann (Customers as Assets, Journal of Interactive Marketing
17(1), 2003) with a constant rate of retention. It counts spending, not margin: policies know no margins.

The risk p is that of going quiet within a horizon of h days, so r = (1 - p)^(365 / h).
"""

from streams.features import Floats
from streams.vector import COLUMN

YEAR_DAYS = 365.0
DISCOUNT = 0.10
SHORTEST_DAYS = 90.0
"""A lead known for less is taken as known for this long: one purchase yesterday is no habit yet."""


def future_value_cents(x: Floats, probability: float, horizon_days: float) -> float | None:
    """Expected spending from here on; None for a lead that never paid anything.

    Args:
        x: the lead's feature vector.
        probability: of going quiet within the horizon.
        horizon_days: what the probability is about.
    """
    spent = float(x[COLUMN["money_total"]])
    if not spent > 0:
        return None
    known_days = float(x[COLUMN["active_span_days"]] + x[COLUMN["silent_days"]])
    a_year = spent * YEAR_DAYS / max(known_days, SHORTEST_DAYS)
    stays = (1.0 - probability) ** (YEAR_DAYS / horizon_days)
    return round(float(a_year * stays / (1.0 + DISCOUNT - stays)), 2)
