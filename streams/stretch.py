"""A stretch: messages about leads with no tick, activation or erasure between them, folded in three strokes.

Features of all of them in columns; one prediction for all activity; then the rules, in order, for those leads where
something moves; what is left is at most worth an assessment (`publish.py`). The rules see each lead as it was right
after the message at hand, not as it is at the end of the stretch.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas import events as e
from streams.assess import Finding, Judge
from streams.desk import desk_of
from streams.env import Env
from streams.features import Bools, Ints
from streams.hear import erase, hear
from streams.life import on_activity
from streams.limits import limits_of
from streams.partition import Folded, Out, Partition
from streams.policy import Policy
from streams.publish import Looked, publish
from streams.record import WATCHED
from streams.rules import Case
from streams.strokes import Columns, Event, Part, Strokes, first_strokes


class Stretch(NamedTuple):
    """Messages of one partition, the policies they name by index, and where their effects go."""

    partition: Partition
    events: Sequence[Event]
    policies: Sequence[Policy]
    done: Folded


def fold_stretches(stretches: Sequence[Stretch], env: Env) -> None:
    """Apply stretches of different partitions. An erasure, if any, is the last message of its own."""
    opened: list[tuple[Stretch, Part]] = []
    for stretch in stretches:
        fresh = _unseen(stretch) if stretch.events else None
        if fresh is not None:
            limits = limits_of(stretch.policies, np.array(fresh.policies))
            opened.append((stretch, Part(stretch.partition, fresh, limits)))
    if opened:
        for (stretch, part), found in zip(opened, first_strokes([part for _, part in opened], env), strict=True):
            _third_stroke(stretch, part, found, env)


def _third_stroke(stretch: Stretch, part: Part, found: Strokes, env: Env) -> None:
    partition, done, fresh = stretch.partition, stretch.done, part.columns
    if not found.new.all():
        done.tally["duplicates",] += sum(
            not new and type(body) is not e.EraseLead for new, body in zip(found.new, fresh.bodies, strict=True)
        )
    loud = _loud(part, found)
    quiet = found.active.copy()
    quiet[loud] = False
    told = _quiet(stretch, part, found, quiet, env)
    for i in loud:
        erasing = type(fresh.bodies[i]) is e.EraseLead
        if not (found.new[i] or erasing):
            continue
        while told and told[-1][0] < i:
            done.outputs.append(told.pop()[1])
        _apply(partition, fresh, i, found, env, done)
        if erasing:
            partition.forget(fresh.rows[i])
    done.outputs.extend(out for _, out in reversed(told))


def _unseen(stretch: Stretch) -> Columns | None:
    """Those that the guards of their leads have not seen; the others' leads are made durable again."""
    columns, done = Columns(*zip(*stretch.events, strict=True)), stretch.done
    for name, n in Counter([body.type for body in columns.bodies]).items():
        done.tally["events", name] += n
    guards, rows, offsets = stretch.partition.table.rows["guard"], np.array(columns.rows), np.array(columns.offsets)
    stretch.partition.touch_all(rows)
    unseen = offsets > guards[rows]
    guards[rows[unseen]] = offsets[unseen]  # of a lead's several, the last one stays
    if unseen.all():
        return columns
    done.tally["skipped", "guard"] += int((~unseen).sum())
    left = [event for event, new in zip(stretch.events, unseen, strict=True) if new]
    return Columns(*zip(*left, strict=True)) if left else None


def _apply(partition: Partition, fresh: Columns, i: int, found: Strokes, env: Env, done: Folded) -> None:
    """The rules for one message."""
    body, meaning = fresh.bodies[i], fresh.meanings[i]
    desk = desk_of(partition, body.tenant, env, done, fresh.now[i], fresh.offsets[i])
    case = Case(desk, fresh.rows[i], body.tenant, body.lead, body.id, found.after[i])
    if type(body) is e.EraseLead:
        erase(case)
        return
    if meaning is not None and e.is_activity(body):
        on_activity(case, body, meaning, fresh.at[i])
        case.assess(Finding(found.x[i], float(found.p[i]), float(found.felt[i])))
    else:
        hear(case, body, fresh.at[i])
    case.finish()


def _loud(part: Part, found: Strokes) -> list[int]:
    """Messages of leads for which any message of the stretch may change stage or an open matter; in order.

    Judged by the state before the stretch: a lead that is not among them cannot have changed in between.
    """
    fresh = part.columns
    told = zip(fresh.rows, fresh.bodies, fresh.meanings, strict=True)
    rows = {row for row, body, meaning in told if meaning is None or _answers(body)}
    where = np.flatnonzero(found.active)
    if len(where):
        held = part.partition.table.rows[found.rows[where]]
        moves = part.limits.at(where).stage_moves(held, found.felt[where]) | ((held["flags"] & WATCHED) > 0)
        rows.update(found.rows[where[moves]].tolist())
    return [i for i, row in enumerate(fresh.rows) if row in rows] if rows else []


def _answers(body: e.AboutLead) -> bool:
    return type(body) is e.MessageReceived and body.in_reply_to is not None


def _quiet(stretch: Stretch, part: Part, found: Strokes, quiet: Bools, env: Env) -> list[tuple[int, Out]]:
    """Assessments of the other leads, last message first."""
    fresh, limits, table = part.columns, part.limits, part.partition.table
    scorer = env.scorers[part.partition.state.model]
    judges = [Judge(scorer.method, scorer.version, policy.version) for policy in stretch.policies]
    here = np.flatnonzero(quiet)
    if not len(here):
        return []
    rows, positions = found.rows[here], here.tolist()
    _begin(table.rows["since"], rows, found.now[here])
    _begin(table.rows["born"], rows, found.prints[here])
    looked = Looked(
        rows,
        [fresh.bodies[i].id for i in positions],
        found.now[here],
        found.x[here],
        found.p[here],
        limits.at(here),
        [judges[fresh.policies[i]] for i in positions],
    )
    return [(positions[i], out) for i, out in reversed(publish(table, looked, stretch.done.tally))]


def _begin(column: NDArray[Any], rows: Ints, values: NDArray[Any]) -> None:
    """Set what a lead's first message sets: where nothing is set yet."""
    unset = np.flatnonzero(column[rows] == 0)[::-1]  # of a lead's several, the first one stays
    column[rows[unset]] = values[unset]
