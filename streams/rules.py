"""The third stroke: the rules of the business applied to one lead at one moment.

A `Case` composes the rules in `stage`, `episode`, `playbook`, `decide`, `escalate` and `track`; it holds no rule of
its own. What it concludes goes to the desk's outputs; the lead's row and record are changed in place.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from schemas import topics
from schemas.decisions import Rule
from schemas.outcomes import Outcome
from schemas.units import Outgoing
from streams import outbox, settle
from streams.assess import Finding, assessment_id
from streams.campaign import begin_by_risk
from streams.desk import Desk
from streams.episode import ending, ends_at
from streams.escalate import escalate_by_itself, settle_ended, time_is_over
from streams.features import DAY, Floats
from streams.grounds import Ground, Grounds
from streams.holdout import held_out
from streams.ids import life_of
from streams.outreach import run_due_steps
from streams.partition import Out
from streams.planning import begin_playbook, drop_planned, hand_on, make_task
from streams.record import TIMED, WATCHED, Episode, LeadRecord, Risk
from streams.stage import next_stage
from streams.state import decode_record, encode_record
from streams.suppression import BY_ADDRESS
from streams.track import forget_old, outcome_without_life, window_ends
from streams.vector import vectors
from streams.workload import note

CRITICAL = 3
EMPTY = LeadRecord()


class Case:
    """One lead at one moment.

    Args:
        desk: what holds now.
        row: of the lead.
        tenant: its tenant.
        lead: its id there.
        cause: id of the message that brought it up.
        signs: the lead's features at this moment; the table may already hold later ones.
        x: the feature vector that they make, where it was worked out already.
    """

    def __init__(
        self, desk: Desk, row: int, tenant: str, lead: str, cause: str, signs: np.void, x: Floats | None = None
    ) -> None:
        """Open the lead's file."""
        self.desk, self.row, self.tenant, self.lead, self.cause = desk, row, tenant, lead, cause
        self.policy, self.now, self.signs = desk.policy, desk.now, signs
        data = desk.records.get(row)
        self.record: LeadRecord = LeadRecord() if data is None else decode_record(data)
        self._x = x
        self._ground: Ground | None = None
        self._look_again: float | None = None
        if not self.born:
            desk.table.rows["born"][row] = life_of(tenant, lead, cause)

    @property
    def key(self) -> bytes:
        """`tenant:lead`."""
        return f"{self.tenant}:{self.lead}".encode()

    @property
    def at(self) -> datetime:
        """Stream time."""
        return datetime.fromtimestamp(self.now, UTC)

    @property
    def x(self) -> Floats:
        """The lead's feature vector now."""
        if self._x is None:
            rows = np.array([self.signs], self.desk.table.rows.dtype)
            self._x = vectors(rows, np.array([self.now if rows["events"][0] else 0.0]))[0]
        return self._x

    @property
    def ground(self) -> Ground:
        """What the lead's risk rests on now."""
        if self._ground is None:
            rows = np.array([self.signs], self.desk.table.rows.dtype)
            self._ground = Ground(Grounds(self.desk.scorer, self.x[None, :], rows, np.array([self.now])), 0)
        return self._ground

    def stands(self, stuck_from: int, backward: int) -> None:
        """What the row says of the lead's journey is this from here on (streams/stuck.py), and its vector with it."""
        rows = self.desk.table.rows
        rows["stuck_from"][self.row], rows["backward"][self.row] = stuck_from, backward
        self.signs["stuck_from"], self.signs["backward"], self._x, self._ground = stuck_from, backward, None, None

    def look_again(self) -> None:
        """The next tick is to look at the lead."""
        self.desk.table.due[self.row] = min(float(self.desk.table.due[self.row]), self.now)

    @property
    def stage(self) -> int:
        """Index into `stage.ORDER`."""
        return int(self.desk.table.rows["stage"][self.row])

    @property
    def probability(self) -> float:
        """As last published."""
        return float(self.desk.table.rows["published"][self.row])

    @property
    def last_key(self) -> float:
        """Newest sign of life, or the first contact where there never was one; epoch seconds."""
        return float(self.signs["last_key"] or self.signs["first"])

    @property
    def born(self) -> int:
        """Part of all ids: a lead that was erased or forgotten and comes again is not taken for the old one."""
        return int(self.desk.table.rows["born"][self.row])

    @property
    def assessment_id(self) -> str:
        """Id of the last published assessment."""
        return assessment_id(self.born, int(self.desk.table.rows["seq"][self.row]))

    def emit(self, topic: topics.Topic, message: Outgoing) -> None:
        """Put a message about this lead into the outputs."""
        self.put(topic, message.model_dump_json().encode())

    def put(self, topic: topics.Topic, value: bytes) -> None:
        """The same for a message that is in bytes already."""
        self.desk.outputs.append(Out(topic.name, self.key, value))

    # -- risk and stage ---------------------------------------------------------------------------------------------

    def is_live(self) -> bool:
        """Neither closed nor gone quiet for good."""
        return not self.record.closed and not self.record.gone

    def is_over(self) -> bool:
        """Nothing is left to remember: closed or silent for so long that the policy says forget."""
        record = self.record
        if record.episode or record.planned or record.open_interventions():
            return False
        return self.now >= self._forget_at()

    def _forget_at(self) -> float:
        keep, record = self.policy.publish, self.record
        if False in record.consent.values() or not all(w.startswith(BY_ADDRESS) for w in record.suppressed.values()):
            return np.inf  # refusals are never forgotten
        if record.closed:
            return record.closed_at + keep.forget_closed_after_days * DAY
        # `since` is when a lead without any activity was first heard of.
        last = float(self.signs["last"] or self.desk.table.rows["since"][self.row])
        return last + keep.forget_silent_after_days * DAY

    def be_assessed(self) -> None:
        """A decision rests on a published assessment: publish one for a lead that never had any."""
        if self.desk.table.rows["seq"][self.row] == 0:
            outbox.assessed(self, float(self.desk.scorer.score(self.x[None, :])[0]), self.stage)

    def assess(self, found: Finding) -> None:
        """Take a fresh probability in: move the stage, publish what changed, and let things follow from it."""
        self._x, self._ground, probability = found.x, found.ground, found.probability
        if not self.is_live():
            return
        rows, stages = self.desk.table.rows, self.policy.stages
        before = self.stage
        move = next_stage(
            before,
            float(rows["since"][self.row]),
            found.felt,
            self.now,
            stages.enter,
            stages.hysteresis,
            stages.dwell_hours * 3600,
        )
        self._look_again = move.look_again
        if move.stage != before:
            rows["stage"][self.row], rows["since"][self.row] = move.stage, self.now
        first = rows["seq"][self.row] == 0
        if move.stage != before or first or abs(probability - self.probability) >= self.policy.publish.min_change:
            outbox.assessed(self, probability, before, found.measured)
        if move.stage > before and self.desk.acting:
            self._rise(move.stage, probability)

    def _rise(self, stage: int, probability: float) -> None:
        if (
            self.record.episode is None
            and self.now >= self.last_key + self.policy.episodes.churned_after_silent_days * DAY
        ):
            self.go_quiet()  # first seen when it was long gone: winning back is another matter than keeping
            self.desk.tally["episode", "gone_before"] += 1
            return
        episode = self.open_episode()
        episode.peak_stage = max(episode.peak_stage, stage)
        episode.peak_probability = max(episode.peak_probability, probability)
        begin_playbook(self, stage)
        if stage == CRITICAL:
            escalate_by_itself(self, "entered critical_risk")
        begin_by_risk(self, stage)

    def go_quiet(self) -> None:
        """Silent for good: nothing is at risk any more."""
        self.record.gone, self.record.told = True, None
        self.leave_stage()

    def leave_stage(self) -> None:
        """Closed or gone: no stage any more, and who reads assessments is told. The risk stays as last published."""
        before, rows = self.stage, self.desk.table.rows
        if before:
            rows["stage"][self.row], rows["since"][self.row] = 0, self.now
            outbox.assessed(self, self.probability, before)

    def open_episode(self) -> Episode:
        """The open episode, or a new one."""
        record = self.record
        if record.episode is None:
            record.episodes += 1
            record.suppressed = {c: why for c, why in record.suppressed.items() if not why.startswith(BY_ADDRESS)}
            record.episode = Episode(
                number=record.episodes,
                opened=self.now,
                peak_stage=self.stage,
                peak_probability=self.probability,
                held_out=held_out(self.policy.holdout, self.tenant, self.lead),
                course=[Risk(self.now, self.probability)] if self.desk.table.rows["seq"][self.row] else [],
            )
            self.desk.tally["episode", "opened"] += 1
        return record.episode

    # -- closing the file ------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Let time do its work, then put the file away and note when to look again."""
        record, rules = self.record, self.policy.episodes
        for intervention in record.open_interventions():
            if self.now >= window_ends(intervention, rules.attribution_days):
                if intervention.outcome is not Outcome.RE_ENGAGED:
                    intervention.outcome = outcome_without_life(intervention)
                settle.finish(self, intervention)
        if record.episode:
            end = ending(record.episode, rules, stage=self.stage, last_key=self.last_key, now=self.now)
            if end and not (end != "churned" and record.ordered()):
                why = Rule.RECOVERED if end == "re_engaged" else Rule.EXPIRED
                drop_planned(self, why, f"the episode ended: {end}", lambda p: not p.campaign)
                settle.close_episode(self, record.episode, end, None)
                if end == "churned":
                    self.go_quiet()
        hand_on(self)
        settle_ended(self)
        for unanswered in time_is_over(self):
            make_task(self, unanswered)
        run_due_steps(self)
        record.interventions = forget_old(
            record.interventions, record.episode.number if record.episode else 0, {p.run for p in record.planned}
        )
        self._put_away()

    def _put_away(self) -> None:
        record, table = self.record, self.desk.table
        if not table.rows["since"][self.row]:
            table.rows["since"][self.row] = self.now
        times = [self._forget_at()]
        if self._look_again is not None:
            times.append(self._look_again)
        if record.episode:
            times.append(ends_at(record.episode, self.policy.episodes, self.last_key))
            if record.episode.hand_on_at:
                times.append(record.episode.hand_on_at)
        if record.wake:
            times.append(record.wake)
        times.extend(p.due for p in record.all_planned())
        times.extend(o.due for o in record.escalations if o.due)
        times.extend(window_ends(i, self.policy.episodes.attribution_days) for i in record.open_interventions())
        table.due[self.row] = min(float(table.due[self.row]), *times)
        table.rows["flags"][self.row] = WATCHED * record.watched() | TIMED * record.timed()
        if record.escalations or record.borne:
            self.desk.partition.burden(self.key, note(record, self.desk.offset))
        if record == EMPTY:
            self.desk.records.pop(self.row, None)
        else:
            self.desk.records[self.row] = encode_record(record)
