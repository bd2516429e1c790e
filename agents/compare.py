"""Holds a challenger against the champion: on a log, where both score the same snapshots in batch, or by its live shadow."""

import time
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from agents.grading import looks_of, truth_of
from agents.manifest import Manifest
from agents.model import LightGbmScorer
from agents.remembered import Remembered
from agents.snapshots import ActivityLog
from agents.windows import TooLittleData, utc
from schemas.errors import ModelInvalid
from streams.features import DAY, Floats
from streams.grade import judgements
from streams.ids import fingerprint
from streams.promotion import Held, Judged, Verdict, compare
from streams.risk import Scorer

BATCH, TURNS = 256, 21
"""Rows scored at once, as many as a sweep does, and how often each is timed; the median is told."""


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
    verdict = compare(
        old, new, y, leads, thresholds, chance, volumes_may_move=volumes_may_move, flags=challenger.manifest.flags,
        pace=paces(champion, challenger, np.concatenate([s.x for s in shots])),
    )  # fmt: skip
    return Compared(champion.version, challenger.version, tuple(times), verdict)


def hold_in_shadow(
    memory: Remembered,
    challenger: Manifest,
    thresholds: Sequence[float],
    *,
    volumes_may_move: bool = False,
) -> Compared:
    """Hold what a challenger said in shadow against what was told of the same leads at the same looks, live.

    Args:
        memory: what is remembered of both (`agents.nightly`).
        challenger: what wants to judge.
        thresholds: where the policy's stages begin.
        volumes_may_move: see `streams.promotion.compare`.

    Raises:
        TooLittleData: No horizon has passed since its first shadow.
    """
    label, name = challenger.label.at_any_age, challenger.version
    looks = looks_of(memory, name, label)
    if not looks:
        raise TooLittleData(
            f"{name} has not scored in shadow for {label.reach / DAY + label.every_days:g} days yet: publish it (`model publish`), "
            "let `leadkeeper worker models` run, and wait; or compare on a log, without --shadow"
        )
    truth = truth_of(memory, label, looks)
    n, told = len(truth.first), memory.told("")
    new = judgements(memory.shadowed(name), truth.seen, n)
    old = judgements(told._replace(mine=np.ones(len(told.p), np.bool_)), truth.seen, n)
    old_place, new_place = (rows.leads + n * np.searchsorted(looks, rows.times) for rows in (old, new))
    old, new = old.where(np.isin(old_place, new_place)), new.where(np.isin(new_place, old_place))
    chance = np.random.default_rng(fingerprint(f"shadow {name}"))
    verdict = compare(
        Judged(old.p, old.p), Judged(new.p, new.p), new.y, new.leads, thresholds, chance,
        volumes_may_move=volumes_may_move, flags=challenger.flags,
    )  # fmt: skip
    return Compared("what was told", name, tuple(looks), verdict)


def paces(champion: Scorer, challenger: Scorer, x: Floats) -> Held | None:
    """Microseconds in which each scores a row: batches of these rows in turns, so that a busy machine is busy for both.

    The median over batches that differ (the same rows again would flatter trees); None where there are no rows.
    """
    if not len(x):
        return None
    batches = [x[i : i + BATCH] for i in range(0, max(1, len(x) - BATCH + 1), BATCH)]
    took: dict[Scorer, list[float]] = {champion: [], challenger: []}
    for scorer in took:
        scorer.score(batches[0])  # the first time is another matter
    for turn in range(TURNS):
        batch = batches[turn % len(batches)]
        for scorer, times in took.items():
            began = time.perf_counter()
            scorer.score(batch)
            times.append((time.perf_counter() - began) * 1e6 / len(batch))
    return Held(median(took[champion]), median(took[challenger]))


def _judged(scorer: Scorer, shots: Sequence[Floats]) -> Judged:
    rank = scorer.raw if isinstance(scorer, LightGbmScorer) else scorer.score
    return Judged(np.concatenate([scorer.score(x) for x in shots]), np.concatenate([rank(x) for x in shots]))
