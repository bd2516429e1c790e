"""Holds a challenger against the champion on a log: both score the same snapshots in batch, beside the product, not in it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agents.model import LightGbmScorer
from agents.snapshots import ActivityLog
from agents.windows import TooLittleData, utc
from schemas.errors import ModelInvalid
from streams.features import DAY, Floats
from streams.ids import fingerprint
from streams.promotion import Judged, Verdict, compare
from streams.risk import Scorer


class Compared(NamedTuple):
    """A verdict, who it is about, and on which snapshots it rests (epoch seconds)."""

    champion: str
    challenger: str
    times: tuple[float, ...]
    verdict: Verdict


def hold_against(
    champion: Scorer,
    challenger: LightGbmScorer,
    log: ActivityLog,
    thresholds: Sequence[float],
    *,
    volumes_may_move: bool = False,
) -> Compared:
    """Let both judge every snapshot that is later than what they learnt from, and whose truth is known.

    Args:
        champion: what judges now: a model, or the rule scorer.
        challenger: what wants to.
        log: what happened.
        thresholds: where the policy's stages begin.
        volumes_may_move: see `streams.promotion.compare`.

    Raises:
        ModelInvalid: Their labels differ, so that they answer different questions; or they are the same.
        TooLittleData: No snapshot is late enough.
    """
    label = challenger.manifest.label
    begin = challenger.manifest.trained.last.timestamp()
    if champion.version == challenger.version:
        raise ModelInvalid(f"{champion.version} is in force already; train a newer one")
    if isinstance(champion, LightGbmScorer):
        if champion.manifest.label != label:
            raise ModelInvalid(
                f"{challenger.version} and {champion.version} have different definitions of going quiet (`model show` "
                "tells them); they cannot be compared: decide by hand, and promote"
            )
        begin = max(begin, champion.manifest.trained.last.timestamp())
    times = np.arange(begin, log.last_judged(label) + 1e-6, label.every_days * DAY).tolist()
    if not times:
        raise TooLittleData(
            f"the models learnt from events up to {utc([begin])[0]:%Y-%m-%d}; comparing them needs "
            f"{label.reach / DAY:g} days more, the log ends at {utc([log.end])[0]:%Y-%m-%d}"
        )
    shots = list(log.snapshots(times, label))
    y, leads = np.concatenate([s.y for s in shots]), np.concatenate([s.leads for s in shots])
    chance = np.random.default_rng(fingerprint(f"{champion.version} {challenger.version}"))
    old, new = (_judged(scorer, [s.x for s in shots]) for scorer in (champion, challenger))
    flags = challenger.manifest.flags
    verdict = compare(old, new, y, leads, thresholds, chance, volumes_may_move=volumes_may_move, flags=flags)
    return Compared(champion.version, challenger.version, tuple(times), verdict)


def _judged(scorer: Scorer, shots: Sequence[Floats]) -> Judged:
    rank = scorer.raw if isinstance(scorer, LightGbmScorer) else scorer.score
    return Judged(np.concatenate([scorer.score(x) for x in shots]), np.concatenate([rank(x) for x in shots]))
