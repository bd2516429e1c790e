"""Where to go when a version has to: back to the newest before it that did not have to go itself; the rule scorer is last."""

from collections.abc import Mapping, Sequence

from streams.grade import Verdict


def fall_back_to(in_force: str, before: Sequence[str], verdicts: Mapping[str, Verdict]) -> str | None:
    """The version to put in force in place of the one that is; None: it may stay, or nothing better is at hand.

    Args:
        in_force: what judges now.
        before: versions that were in force before it, oldest first; the first is the rule scorer.
        verdicts: of every version that told anything.
    """
    if verdicts.get(in_force) != "fall back":
        return None
    fit = [version for version in before if version != in_force and verdicts.get(version) != "fall back"]
    return fit[-1] if fit else None
