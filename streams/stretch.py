"""A stretch: messages about leads with no tick, activation or erasure between them, folded in three strokes.

Features of all of them in columns; one prediction for all activity; then the rules, in order, for those leads where
something moves; what is left is at most worth an assessment (`publish.py`). The rules see each lead as it was right
after the message at hand, not as it is at the end of the stretch.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from schemas import events as e
from streams.assess import Finding, Judge, measures
from streams.desk import desk_of
from streams.env import Env
from streams.features import Bools, FeatureTable, Floats, Ints, lead_of
from streams.grounds import grounds_of
from streams.hear import erase, hear
from streams.ids import life_of
from streams.life import on_activity
from streams.limits import limits_of
from streams.on_the_way import hear_of_journey, hear_on_the_way
from streams.partition import Folded, Out, Partition
from streams.policy import Policy
from streams.publish import Looked, publish
from streams.record import WATCHED
from streams.rules import Case
from streams.strokes import Columns, Part, Strokes, first_strokes
from streams.validate import about_lead
from streams.vector import COLUMN
from streams.wants import ANYBODYS

ERASING, CLOSING = "erase_lead", "lead_closed"
MOOD = COLUMN["mood"]


class Stretch(NamedTuple):
    """Messages of one partition, the policies and models that they name by index, and where their effects go."""

    partition: Partition
    columns: Columns
    policies: Sequence[Policy]
    models: Sequence[str]
    done: Folded


def fold_stretches(stretches: Sequence[Stretch], env: Env) -> None:
    """Apply stretches of different partitions. An erasure, if any, is the last message of its own."""
    opened: list[tuple[Stretch, Part]] = []
    for stretch in stretches:
        fresh = _unseen(stretch) if stretch.columns.rows else None
        if fresh is not None:
            limits = limits_of(stretch.policies, np.array(fresh.policies))
            opened.append((stretch, Part(stretch.partition, fresh, limits, stretch.models)))
    if opened:
        for (stretch, part), found in zip(opened, first_strokes([part for _, part in opened], env), strict=True):
            _third_stroke(stretch, part, found, env)


def _third_stroke(stretch: Stretch, part: Part, found: Strokes, env: Env) -> None:
    partition, done, fresh = stretch.partition, stretch.done, part.columns
    if not found.new.all():
        done.tally["duplicates",] += sum(
            not new and name != ERASING for new, name in zip(found.new, fresh.types, strict=True)
        )
    loud, moving = _loud(stretch, part, found)
    together = _findings(part, loud, moving, found, env)
    quiet = found.active.copy()
    quiet[loud] = False
    told, elsewhere = _quiet(stretch, part, found, quiet, env), set[int]()
    for i in loud:
        erasing = fresh.types[i] == ERASING
        if not (found.new[i] or erasing):
            continue
        while told and told[-1][0] < i:
            done.outputs.append(told.pop()[1])
        _apply(part, i, found, together.get(i), env, done, elsewhere)
        if erasing:
            partition.forget(fresh.rows[i])
    done.outputs.extend(out for _, out in reversed(told))


def _unseen(stretch: Stretch) -> Columns | None:
    """Those that the guards of their leads have not seen; the others' leads are made durable again."""
    columns, done = stretch.columns, stretch.done
    for name, n in Counter(columns.types).items():
        done.tally["events", name] += n
    guards, rows, offsets = stretch.partition.table.rows["guard"], np.array(columns.rows), np.array(columns.offsets)
    stretch.partition.touch_all(rows)
    unseen = offsets > guards[rows]
    guards[rows[unseen]] = offsets[unseen]  # of a lead's several, the last one stays
    if unseen.all():
        return columns
    done.tally["skipped", "guard"] += int((~unseen).sum())
    return columns.where(unseen.tolist()) if unseen.any() else None


def _apply(
    part: Part, i: int, found: Strokes, finding: Finding | None, env: Env, done: Folded, elsewhere: set[int]
) -> None:
    """The rules for one message. `elsewhere`: rows of leads whose journey has moved since the first strokes saw them."""
    partition, fresh = part.partition, part.columns
    body, meaning = about_lead(fresh.values[i]), fresh.meanings[i]
    desk = desk_of(partition, body.tenant, body.lead, env, done, fresh.now[i], fresh.offsets[i])
    row, signs = fresh.rows[i], found.after[i]
    case = Case(desk, row, body.tenant, body.lead, body.id, signs, found.x[i] if signs["events"] else None)
    if row in elsewhere:
        held = partition.table.rows[row]
        case.stands(int(held["stuck_from"]), int(held["backward"]))
    if type(body) is e.EraseLead:
        erase(case, body)
        return
    if meaning is not None and e.is_activity(body):
        on_activity(case, body, meaning, fresh.at[i])
        heard = hear_of_journey(case, body, meaning, fresh.at[i])
        if heard and heard.moves_risk:
            elsewhere.add(row)
        case.assess(_found_again(case, part, i) if finding is None or row in elsewhere else finding)
        if heard:
            hear_on_the_way(case, body, meaning, fresh.at[i], heard)
    else:
        hear(case, body, fresh.at[i])
        if body.type == CLOSING:
            elsewhere.add(row)
    case.finish()


def _found_again(case: Case, part: Part, i: int) -> Finding:
    """What the first strokes would have found, had they known where the lead is on its journey."""
    x = case.x
    p = case.desk.scorer.score(x[None, :])
    return Finding(x, float(p[0]), float(part.limits.at([i]).felt(p, x[None, :])[0]))


def _findings(part: Part, loud: Sequence[int], moving: Ints, found: Strokes, env: Env) -> dict[int, Finding]:
    """What was found of each loud activity, measured together; `moving`: those that seem to bring a move of stage."""
    at = np.array([i for i in loud if found.active[i]], np.int64)
    if not len(at):
        return {}
    which = np.array(part.columns.policies)[moving]
    scorers = [env.scorers[model] for model in part.models]
    grounds = grounds_of(scorers, which, found.x[moving], found.after[moving], found.now[moving])
    explained = dict(zip(moving.tolist(), grounds, strict=True))
    x, p = found.x[at], found.p[at]
    columns = zip(at.tolist(), x, p.tolist(), found.felt[at].tolist(), measures(x, p).tolist(), strict=True)
    return {i: Finding(x, p, felt, measured, explained.get(i)) for i, x, p, felt, measured in columns}


def _loud(stretch: Stretch, part: Part, found: Strokes) -> tuple[list[int], Ints]:
    """Messages of each lead from the first on that may change its stage or an open matter, and those that may move its stage.

    Judged by the state before the stretch: up to its first message of that sort nothing of a lead can have changed.
    """
    fresh, first = part.columns, dict[int, int]()
    if len(asking := np.flatnonzero(fresh.asks)):
        on_the_way = part.partition.table.rows["flags"][[fresh.rows[i] for i in asking.tolist()]] > 0
        for i, travels in zip(asking.tolist(), on_the_way.tolist(), strict=True):
            if travels or fresh.asks[i] == ANYBODYS or _mood_begins(stretch, fresh, i, found):
                first.setdefault(fresh.rows[i], i)
    where = moving = np.flatnonzero(found.active)
    if len(where):
        held = part.partition.table.at(found.rows[where])
        moves = part.limits.at(where).stage_moves(held, found.felt[where])
        for i in where[moves | ((held["flags"] & WATCHED) > 0)].tolist():
            row = fresh.rows[i]
            first[row] = min(first.get(row, i), i)
        moving = where[moves]
        moving = moving[np.unique(found.rows[moving], return_index=True)[1]]  # a lead's later ones meet another stage
    return [i for i, row in enumerate(fresh.rows) if first.get(row, i + 1) <= i] if first else [], moving


def _mood_begins(stretch: Stretch, fresh: Columns, i: int, found: Strokes) -> bool:
    meaning, wants = fresh.meanings[i], stretch.policies[fresh.policies[i]].wants
    told = meaning is not None and meaning.mood == meaning.mood
    return told and wants is not None and wants.cares(float(found.x[i, MOOD]))


def _quiet(stretch: Stretch, part: Part, found: Strokes, quiet: Bools, env: Env) -> list[tuple[int, Out]]:
    """Assessments of the other leads, last message first."""
    fresh, limits, table = part.columns, part.limits, part.partition.table
    told_by = zip(stretch.policies, (env.scorers[model] for model in stretch.models), strict=True)
    judges = [Judge(scorer.method, scorer.version, policy.version) for policy, scorer in told_by]
    here = np.flatnonzero(quiet)
    if not len(here):
        return []
    rows, positions = found.rows[here], here.tolist()
    causes = [fresh.ids[i] for i in positions]
    _begin(table, rows, causes, found.now[here])
    looked = Looked(
        rows,
        causes,
        found.now[here],
        found.x[here],
        found.p[here],
        limits.at(here),
        [judges[fresh.policies[i]] for i in positions],
    )
    return [(positions[i], out) for i, out in reversed(publish(table, looked, stretch.done.tally))]


def _begin(table: FeatureTable, rows: Ints, causes: Sequence[str], now: Floats) -> None:
    """Set what a lead's first message sets: since when it is known, and the name of its life."""
    held = table.rows
    unset = np.flatnonzero(held["born"][rows] == 0)[::-1]  # of a lead's several messages, the first one stays
    if len(unset):
        tellers = (
            (*lead_of(table.keys[row]), causes[i]) for i, row in zip(unset.tolist(), rows[unset].tolist(), strict=True)
        )
        held["born"][rows[unset]] = [life_of(*teller) for teller in tellers]
    unset = np.flatnonzero(held["since"][rows] == 0)[::-1]
    held["since"][rows[unset]] = now[unset]
