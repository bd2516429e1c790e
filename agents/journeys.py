"""One lead's journey, for people: where it is, how it got there, and how others fared from there.

Others are the leads of the same tenant in the same partition. Which partition a lead is in is a hash of its key, so they are a
fair sample, and the whole topic need not be read.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from io import StringIO
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from agents.reading import read_topics
from agents.topics import partitions_of
from agents.writer import partition_for
from schemas import topics
from schemas.errors import Unavailable
from streams.progress import Progress, Success, success_in_words

WIDTH = 80


class Travelled(NamedTuple):
    """What was told of a lead's journey, in order, and what the stage it is in comes to."""

    told: Sequence[dict[str, Any]]
    success: Success
    usual_days: float | None


async def journey(bootstrap: str, prefix: str, tenant: str, lead: str) -> Travelled | None:
    """A lead's journey from `analytics.outcomes`; None where nothing was heard of it on the way.

    Raises:
        Unavailable: The topic does not exist.
    """
    topic, key = prefix + topics.OUTCOMES.name, f"{tenant}:{lead}".encode()
    partitions = (await partitions_of(bootstrap, [topic]))[topic]
    if not partitions:
        raise Unavailable(f"topic {topic} does not exist: `leadkeeper topics create`")
    progress, own = Progress(), dict[str, dict[str, Any]]()
    async for record in read_topics(bootstrap, [topic], partition_for(key, partitions)):
        if not (record.key or b"").startswith(f"{tenant}:".encode()) or b'"journey_progressed"' not in record.value:
            continue
        body = json.loads(record.value)
        progress.take([body])
        if record.key == key:
            own[body["id"]] = body
    if not own:
        return None
    told = sorted(own.values(), key=lambda one: datetime.fromisoformat(one["at"]))
    where = told[-1]["journey"], told[-1]["stage"]
    return Travelled(told, progress.success(*where), progress.usual_days(*where))


async def funnel(bootstrap: str, prefix: str, tenant: str) -> Progress:
    """How the journeys of all of a tenant's leads go. Raises Unavailable where the topic does not exist."""
    progress, topic = Progress(), prefix + topics.OUTCOMES.name
    async for record in read_topics(bootstrap, [topic]):
        if (record.key or b"").startswith(f"{tenant}:".encode()) and b'"journey_progressed"' in record.value:
            progress.take([json.loads(record.value)])
    return progress


def funnel_table(progress: Progress) -> Table:
    """A row for each stage; the share only where enough leads have settled."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("stage", no_wrap=True)
    for head in ("entered", "there", "on", "back", "stuck", "days", "get through"):
        table.add_column(head, justify="right")
    for journey_, stage in sorted(progress.stays, key=lambda key: (key[0], progress.order.get(key, 0), key[1])):
        counts, success = progress.counts(journey_, stage), progress.success(journey_, stage)
        usual = progress.usual_days(journey_, stage)
        share = "too few" if success.share is None else f"{success.share:.0%} ({success.low:.0%}-{success.high:.0%})"
        ends = (str(counts[end]) for end in ("", "moved_on", "moved_back", "stalled"))
        table.add_row(stage, str(counts.total()), *ends, "" if usual is None else f"{usual:.0f}", share)
    return table


def in_words(name: str, found: Travelled) -> str:
    """It as text, at most 80 columns wide."""
    now, out = found.told[-1], Console(file=StringIO(), width=WIDTH, no_color=True, highlight=False)
    out.print(f"{name}: {now['stage']}, {now['order']} of {now['of']}, since {now['entered_at'][:10]}\n", markup=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    left_by = f"by {now['expected_exit_at'][:10]}" if now["expected_exit_at"] else "never: it may stay"
    usual = "" if found.usual_days is None else f"; others took {found.usual_days:.0f} days"
    stuck = ", and is stuck" if now["stalled"] else ""
    table.add_row("expected on", f"{left_by}{usual}{stuck}")
    missing = f"; still to come: {', '.join(now['missing'])}" if now["missing"] else ""
    done = f": {', '.join(now['milestones'])}" if now["milestones"] else ""
    table.add_row("completion", f"{now['completion']:.0%}{done}{missing}")
    table.add_row("in the way", ", ".join(now["blockers"]) or "nothing")
    if now["satisfaction"] is not None:
        table.add_row("satisfaction", f"{now['satisfaction']:.0%}")
    table.add_row("success", success_in_words(found.success, now["success_estimate"], now["estimate_source"]))
    table.add_row("next", now["next_action"] or "the policy names nothing")
    for one in reversed(found.told):
        if left := one["left"]:
            stay = f"{left['entered_at'][:10]} to {one['entered_at'][:10]}, {left['days']:.0f} days"
            expected = f", expected {left['expected_exit_at'][:10]}" if left["expected_exit_at"] else ""
            table.add_row(
                "before", f"{left['stage']}, {stay}{expected} ({one['change'].replace('_', ' ')}: {one['cause']})"
            )
    out.print(table)
    assert isinstance(out.file, StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines()) + "\n"


def as_data(tenant: str, lead: str, found: Travelled) -> dict[str, Any]:
    """It as JSON: the last word about it, the stages before, and what others came to."""
    hidden = {"v", "type", "id", "change", "cause", "left"}
    return {
        "tenant": tenant,
        "lead": lead,
        **{key: value for key, value in found.told[-1].items() if key not in hidden},
        "success": found.success._asdict(),
        "usual_days": found.usual_days,
        "before": [
            one["left"] | {"exited_at": one["entered_at"], "how": one["change"]} for one in found.told if one["left"]
        ],
    }
