"""Why a lead is at the risk it is at, on request: from its durable state, by the model that judges it.

The same row, the same vector and the same scorer as in the worker, so the probability is the worker's own at that stream time.
"""

from collections.abc import Awaitable, Callable
from io import StringIO
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from agents.reading import read_topics
from agents.topics import partitions_of
from agents.writer import partition_for
from schemas import topics
from schemas.assessments import HealthPart
from schemas.errors import Unavailable
from streams.explain import in_words
from streams.features import Floats
from streams.health import health, health_in_words
from streams.risk import FAMILIES, Scorer
from streams.rollout import versions_of
from streams.state import PARTITION_KEY, PartitionState, decode_lead, decode_partition
from streams.value import future_value_cents
from streams.vector import vectors

WIDTH = 80
LEAST = 0.005
"""Effects that would be printed as zero are left out."""


class Explained(NamedTuple):
    """A lead's risk at the stream time of its partition (epoch seconds), taken apart."""

    now: float
    scorer: Scorer
    x: Floats
    probability: float
    effects: Floats
    health: float
    parts: tuple[HealthPart, ...]
    future_value_cents: float | None


async def explain(
    bootstrap: str, prefix: str, tenant: str, lead: str, scorer_of: Callable[[str], Awaitable[Scorer]]
) -> Explained | None:
    """Take a lead's risk apart; None where no state of it is held.

    Args:
        bootstrap: `host:port[,host:port]`.
        prefix: of the topics.
        tenant: of the lead.
        lead: its id there.
        scorer_of: gives the model of a version; empty: the one in force at first.

    Raises:
        Unavailable: The topics do not exist.
        StateUnreadable: The state was written by another version of this program.
    """
    topic, key = prefix + topics.STATE.name, f"{tenant}:{lead}".encode()
    partitions = (await partitions_of(bootstrap, [topic]))[topic]
    if not partitions:
        raise Unavailable(f"topic {topic} does not exist: `leadkeeper topics create`")
    value: bytes | None = None
    state = PartitionState()
    async for record in read_topics(bootstrap, [topic], partition_for(key, partitions)):
        if record.key == key:
            value = record.value
        elif record.key == PARTITION_KEY and record.value:
            state = decode_partition(record.value)
    if value is None:
        return None
    row, _ = decode_lead(value)
    scorer = await scorer_of(versions_of(state, tenant, lead).model)
    now = max(state.now, float(row["last"]))
    x = vectors(np.array([row], row.dtype), np.array([now]))
    p = float(scorer.score(x)[0])
    value_left = future_value_cents(x[0], p, scorer.horizon_days)
    return Explained(
        now, scorer, x[0], p, scorer.effects(x)[0], float(health(x)[0, 0]), health_in_words(x[0]), value_left
    )


def told(name: str, at: str, found: Explained) -> str:
    """It as text, at most 80 columns wide."""
    out = Console(file=StringIO(), width=WIDTH, no_color=True, highlight=False)
    out.print(f"{name}: {found.probability:.1%} by {found.scorer.version}, as of {at}\n")
    reasons = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    reasons.add_column(justify="right", no_wrap=True)
    reasons.add_column(no_wrap=True)
    reasons.add_column()
    for i in np.argsort(-found.effects, kind="stable").tolist():
        effect = float(found.effects[i])
        if abs(effect) >= LEAST:
            reasons.add_row(f"{effect:+.2f}", FAMILIES[i], in_words(FAMILIES[i], found.x, raises=effect > 0))
    out.print(reasons)
    out.print("(shares of the log-odds before calibration; + raises the risk)\n")
    out.print(f"health {found.health:.0f} of 100")
    parts = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), show_header=False)
    for part in found.parts:
        parts.add_row(part.part, f"{part.score:.0f}", part.text)
    out.print(parts)
    if found.future_value_cents is not None:
        out.print(f"will still spend about {found.future_value_cents / 100:,.2f} (Gupta and Lehmann 2003)")
    assert isinstance(out.file, StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines()) + "\n"
