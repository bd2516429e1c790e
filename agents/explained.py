"""Why a lead is at the risk it is at, on request: from its durable state, by the model that judges it.

The same row, the same vector and the same scorer as in the worker, so the probability is the worker's own at that stream time.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from io import StringIO
from typing import NamedTuple

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from agents.reading import read_topics
from agents.topics import partitions_of
from agents.writer import partition_for
from schemas import topics
from schemas.assessments import HealthPart, Shift
from schemas.errors import Unavailable
from streams.advised import advised
from streams.env import Env
from streams.explain import days, in_words, shift_of
from streams.features import Floats, Rows
from streams.hazard import Forecast
from streams.health import confidence, health, health_in_words
from streams.risk import FAMILIES, Scorer
from streams.rollout import versions_of
from streams.state import PARTITION_KEY, PartitionState, decode_lead, decode_partition, decode_record
from streams.value import future_value_cents
from streams.vector import vectors

WIDTH = 80
LEAST = 0.005
"""Effects that would be printed as zero are left out."""


class Assessed(msgspec.Struct):
    """What was told of the lead last."""

    at: datetime
    probability: float
    model_version: str


_assessed = msgspec.json.Decoder(Assessed).decode


class Explained(NamedTuple):
    """A lead's risk at the stream time of its partition (epoch seconds), taken apart.

    Attributes:
        base: log-odds before anything is known of the lead; with the effects they are the score before calibration.
        last: the assessment before; None: there was none, or it is gone from the topic.
        shift: what has moved the risk since then; None: another model judged then, or what was known then is not known now.
        forecast: when the lead will be lost; None: the version has no model of it.
        recommended: what a person is advised to do, the most promising first.
    """

    now: float
    scorer: Scorer
    x: Floats
    probability: float
    effects: Floats
    base: float
    confidence: float
    last: Assessed | None
    shift: Shift | None
    forecast: Forecast | None
    health: float
    parts: tuple[HealthPart, ...]
    future_value_cents: float | None
    recommended: tuple[str, ...] = ()


async def explain(
    bootstrap: str, prefix: str, tenant: str, lead: str, scorer_of: Callable[[str], Awaitable[Scorer]], env: Env
) -> Explained | None:
    """Take a lead's risk apart; None where no state of it is held.

    Args:
        bootstrap: `host:port[,host:port]`.
        prefix: of the topics.
        tenant: of the lead.
        lead: its id there.
        scorer_of: gives the model of a version; empty: the one in force at first.
        env: policies and weights by version (`agents.in_force.at_hand`).

    Raises:
        Unavailable: The topics do not exist, or a version that judges the lead is not on `policies` any more.
        StateUnreadable: The state was written by another version of this program.
    """
    topic, key = prefix + topics.STATE.name, f"{tenant}:{lead}".encode()
    partitions = (await partitions_of(bootstrap, [topic]))[topic]
    if not partitions:
        raise Unavailable(f"topic {topic} does not exist: `leadkeeper topics create`")
    value: bytes | None = None
    ours: bytes | None = None
    async for record in read_topics(bootstrap, [topic], partition_for(key, partitions)):
        if record.key == key:
            value = record.value
        elif record.key == PARTITION_KEY and record.value:
            ours = record.value
    if value is None:
        return None
    state = decode_partition(ours) if ours else PartitionState()
    row, record = decode_lead(value)
    scorer = await scorer_of(versions_of(state, tenant, lead).model)
    last = await _last(bootstrap, prefix, key)
    now = max(state.now, float(row["last"]))
    held = [(name, data, 0) for name, data in ((PARTITION_KEY, ours), (key, value)) if data]
    found = taken_apart(np.array([row], row.dtype), record, scorer, now, last)
    return found._replace(recommended=advised(held, tenant, lead, env, scorer, now))


def taken_apart(row: Rows, record: bytes | None, scorer: Scorer, now: float, last: Assessed | None) -> Explained:
    """A lead's risk, from its row (one), the bytes of its record, and what was told of it last."""
    x = vectors(row, np.array([now]))
    p, (effects, base) = float(scorer.score(x)[0]), effects_and_base(scorer, x)
    healths = health(x)[0].tolist()
    return Explained(
        now=now,
        scorer=scorer,
        x=x[0],
        probability=p,
        effects=effects,
        base=base,
        confidence=float(confidence(x, np.array([p]))[0]),
        last=last,
        shift=_since(row, record, scorer, effects, x[0], p, last) if last else None,
        forecast=scorer.forecasts(x)[0],
        health=healths[0],
        parts=health_in_words(x[0], healths),
        future_value_cents=future_value_cents(x[0], p, scorer.horizon_days),
    )


def effects_and_base(scorer: Scorer, x: Floats) -> tuple[Floats, float]:
    """Effects of one row's families, and what the log-odds are without them; together the score before calibration."""
    from agents.model import LightGbmScorer  # noqa: PLC0415 - LightGBM takes a third of a second; the rule needs none

    if isinstance(scorer, LightGbmScorer):
        effects, base = scorer.effects_and_bias(x)
        return effects[0], float(base[0])
    effects, p = scorer.effects(x)[0], float(scorer.score(x)[0])
    return effects, float(np.log(p / (1 - p)) - effects.sum())


def _since(
    row: Rows, record: bytes | None, scorer: Scorer, effects: Floats, x: Floats, p: float, last: Assessed
) -> Shift | None:
    """What has moved the risk since the last assessment.

    Nothing happened since then: the row is what it was, and what was thought can be worked out again. Something did: only
    where reasons were told with that assessment are they still known (`streams.record.Told`).
    """
    if last.model_version != scorer.version:
        return None
    at, change = last.at.timestamp(), p - last.probability
    if float(row["last"][0]) <= at:
        return shift_of(effects - scorer.effects(vectors(row, np.array([at])))[0], x, last.at, change)
    told = decode_record(record).told if record else None
    if told is None or told.model != scorer.version or abs(told.at - at) > 1 or not told.effects:
        return None
    return shift_of(effects - np.array(told.effects) / 100, x, last.at, change)


async def _last(bootstrap: str, prefix: str, key: bytes) -> Assessed | None:
    topic = prefix + topics.ASSESSMENTS.name
    partitions = (await partitions_of(bootstrap, [topic]))[topic]
    if not partitions:
        raise Unavailable(f"topic {topic} does not exist: `leadkeeper topics create`")
    value: bytes | None = None
    async for record in read_topics(bootstrap, [topic], partition_for(key, partitions)):
        if record.key == key:
            value = record.value
    return _assessed(value) if value else None


def _when(forecast: Forecast | None) -> str:
    """A band and an interval, never a date."""
    if forecast is None:
        return "this version has no model of it"
    first = "later than is looked at" if forecast.earliest_days is None else f"after {days(forecast.earliest_days)}"
    late = "later than is looked at" if forecast.latest_days is None else f"after {days(forecast.latest_days)}"
    return f"{forecast.band} days for half of such leads; a tenth is lost {first}, nine tenths {late}"


def _moved(found: Explained) -> str:
    """The difference since the last assessment."""
    if found.last is None:
        return "nothing was told of it before"
    since = f"since the last assessment, {found.last.at.astimezone(UTC):%Y-%m-%d %H:%M}"
    if found.shift is not None:
        return f"{found.shift.text} ({since})"
    change = found.probability - found.last.probability
    why = (
        f"{found.last.model_version} judged then"
        if found.last.model_version != found.scorer.version
        else "what was known then has been overwritten"
    )
    return f"{change:+.2f} {since}; by what is not known: {why}"


def told(name: str, at: str, found: Explained) -> str:
    """It as text, at most 80 columns wide."""
    out = Console(file=StringIO(), width=WIDTH, no_color=True, highlight=False)
    out.print(f"{name}: {found.probability:.1%} by {found.scorer.version}, as of {at}")
    out.print(f"confidence {found.confidence:.0%}: how much is known of it, and how clear the case is")
    out.print(f"time to churn: {_when(found.forecast)}")
    out.print(f"{_moved(found)}\n")
    reasons = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    reasons.add_column(justify="right", no_wrap=True)
    reasons.add_column(no_wrap=True)
    reasons.add_column()
    for i in np.argsort(-found.effects, kind="stable").tolist():
        effect = float(found.effects[i])
        if abs(effect) >= LEAST:
            reasons.add_row(f"{effect:+.2f}", FAMILIES[i], in_words(FAMILIES[i], found.x, raises=effect > 0))
    out.print(reasons)
    total = found.base + float(found.effects.sum())
    out.print(f"(shares of the log-odds; + raises the risk. With the base, {found.base:+.2f} for a lead of whom")
    out.print(f"nothing is known, they are {total:+.2f}, which is calibrated to {found.probability:.1%})\n")
    out.print(f"health {found.health:.0f} of 100")
    parts = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), show_header=False)
    for part in found.parts:
        parts.add_row(part.part, f"{part.score:.0f}", part.text)
    out.print(parts)
    if found.future_value_cents is not None:
        out.print(f"will still spend about {found.future_value_cents / 100:,.2f} (Gupta and Lehmann 2003)")
    what = ", ".join(found.recommended) or "nothing; it is in no stage, or nothing of its playbook is left and allowed"
    out.print(f"\nrecommended, the most promising first: {what}")
    assert isinstance(out.file, StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines()) + "\n"
