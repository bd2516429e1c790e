"""What a provider does wrong, drawn from a seed: the same seed, the same faults in the same order."""

import argparse
import random
from collections.abc import Callable, Mapping, Sequence


class Faults:
    """A share of all requests for each fault; the rest is served.

    Args:
        shares: From 0 to 1 by the fault's name; together at most 1.
        seed: Of the draw.
    """

    def __init__(self, shares: Mapping[str, float], seed: int) -> None:
        """Begin the draw."""
        self._shares = shares
        self._chance = random.Random(seed)

    def draw(self) -> str | None:
        """The fault of the next request; None for none."""
        drawn = self._chance.random()
        for fault, share in self._shares.items():
            if drawn < share:
                return fault
            drawn -= share
        return None


def shares_among(names: Sequence[str]) -> Callable[[str], dict[str, float]]:
    """A reader of `drop=0.1,later=0.05` for argparse that takes these names."""

    def shares(text: str) -> dict[str, float]:
        found = {}
        for each in filter(None, text.split(",")):
            name, _, share = each.partition("=")
            if name not in names or not 0 <= float(share) <= 1:
                raise argparse.ArgumentTypeError(
                    f"{each}: use one of {', '.join(names)} and a share from 0 to 1, like {names[0]}=0.1"
                )
            found[name] = float(share)
        if sum(found.values()) > 1:
            raise argparse.ArgumentTypeError(f"{text}: the shares add up to more than 1")
        return found

    return shares
