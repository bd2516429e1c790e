"""The third stroke: the rules of the business applied to one lead at one moment.

A `Case` composes the rules in `stage`, `episode`, `playbook`, `decide`, `escalate` and `track`; it holds no rule of its own.
What it concludes goes to the desk's outputs; the lead's row and record are changed in place.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from schemas import events as e
from schemas import topics
from schemas.assessments import LeadAssessed
from schemas.commands import WithdrawIntervention
from schemas.decisions import Rule, Verdict
from schemas.outcomes import Outcome
from schemas.units import Channel, Level, Outgoing
from streams import outbox
from streams.consent import ALL
from streams.decide import Judgement
from streams.episode import ending, ends_at
from streams.escalate import escalate_by_itself, escalate_by_order, settle_escalation
from streams.explain import reasons_of
from streams.features import DAY, FeatureTable, Floats
from streams.health import band_of, confidence_of, health_of
from streams.holdout import held_out
from streams.ids import derive
from streams.outreach import run_due_steps, try_fallback
from streams.playbook import plan
from streams.policy import Policy
from streams.record import Episode, Intervention, LeadRecord, Profile
from streams.risk import Scorer, level_of
from streams.stage import ORDER, next_stage, skipped
from streams.state import decode_record, encode_record
from streams.track import NOT_REACHED, RANK, apply_receipt, forget_old, outcome_without_life, window_ends
from streams.vector import COLUMN, vectors
from streams.vocabulary import Meaning

LEVELS = (Level.LOW, Level.MEDIUM, Level.HIGH, Level.CRITICAL)
CRITICAL = 3
EMPTY = LeadRecord()


class Out(NamedTuple):
    """One record to produce; the partition is the inbox partition it follows from."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] | None = None


@dataclass
class Desk:
    """Where a case is worked on: what holds at this moment for this tenant."""

    policy: Policy
    scorer: Scorer
    table: FeatureTable
    records: dict[int, bytes]
    now: float
    acting: bool
    outputs: list[Out]
    tally: Counter[tuple[str, ...]]


class Case:
    """One lead at one moment. `cause` is the id of the message that brought it up."""

    def __init__(self, desk: Desk, row: int, tenant: str, lead: str, cause: str) -> None:
        """Open the lead's file."""
        self.desk, self.row, self.tenant, self.lead, self.cause = desk, row, tenant, lead, cause
        self.policy, self.now = desk.policy, desk.now
        data = desk.records.get(row)
        self.record: LeadRecord = LeadRecord() if data is None else decode_record(data)
        self._x: Floats | None = None
        self._look_again: float | None = None

    @property
    def at(self) -> datetime:
        """Stream time."""
        return datetime.fromtimestamp(self.now, UTC)

    @property
    def x(self) -> Floats:
        """The lead's feature vector now."""
        if self._x is None:
            rows = self.desk.table.rows[self.row : self.row + 1]
            now = max(self.now, float(rows["last"][0]))
            self._x = vectors(rows, np.array([now if rows["events"][0] else 0.0]))[0]
        return self._x

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
        row = self.desk.table.rows[self.row]
        return float(row["last_key"] or row["first"])

    @property
    def assessment_id(self) -> str:
        """Id of the last published assessment."""
        return derive("asm", self.tenant, self.lead, int(self.desk.table.rows["seq"][self.row]))

    def emit(self, topic: topics.Topic, message: Outgoing) -> None:
        """Put a message about this lead into the outputs."""
        self.desk.outputs.append(Out(topic.name, f"{self.tenant}:{self.lead}".encode(), message.model_dump_json().encode()))

    # -- risk and stage ---------------------------------------------------------------------------------------------

    def is_live(self) -> bool:
        """Neither closed nor gone quiet for good."""
        return not self.record.closed and not self.record.gone

    def is_over(self) -> bool:
        """Nothing is left to remember: closed or silent for so long that the policy says forget. Refusals are never forgotten."""
        if self.record.suppressed or False in self.record.consent.values() or self.record.episode or self.record.open_interventions():
            return False
        return self.now >= self._forget_at()

    def _forget_at(self) -> float:
        keep = self.policy.publish
        if self.record.closed:
            return self.record.closed_at + keep.forget_closed_after_days * DAY
        last = float(self.desk.table.rows["last"][self.row])
        return last + keep.forget_silent_after_days * DAY if last else np.inf

    def assess(self, x: Floats, probability: float) -> None:
        """Take a fresh probability in: move the stage, publish what changed, and let things follow from it."""
        self._x = x
        if not self.is_live():
            return
        rows, stages = self.desk.table.rows, self.policy.stages
        before = self.stage
        move = next_stage(
            before, float(rows["since"][self.row]), probability, self.now, stages.enter, stages.hysteresis, stages.dwell_hours * 3600
        )
        self._look_again = move.look_again
        if move.stage != before:
            rows["stage"][self.row], rows["since"][self.row] = move.stage, self.now
        first = rows["seq"][self.row] == 0
        if move.stage != before or first or abs(probability - self.probability) >= self.policy.publish.min_change:
            self._publish(probability, before)
        if move.stage > before:
            self._rise(move.stage, probability)

    def _publish(self, probability: float, before: int) -> None:
        rows, x = self.desk.table.rows, self.x
        rows["seq"][self.row] += 1
        seq = int(rows["seq"][self.row])
        risen = self.stage > before
        level = level_of(probability, self.policy.stages.enter)
        effects = self.desk.scorer.effects(x[None, :])[0] if risen else None
        self.emit(
            topics.ASSESSMENTS,
            LeadAssessed(
                id=self.assessment_id,
                tenant=self.tenant,
                lead=self.lead,
                at=self.at,
                seq=seq,
                cause=self.cause,
                probability=probability,
                change=0.0 if seq == 1 else round(probability - self.probability, 6),
                level=LEVELS[level],
                stage=ORDER[self.stage],
                previous_stage=ORDER[before],
                skipped=skipped(before, self.stage),
                time_to_churn=band_of(level),
                confidence=confidence_of(x, probability),
                health=health_of(x),
                reasons=() if effects is None else reasons_of(effects, x),
                recommended=tuple(s.action for s in self.policy.playbooks.of(ORDER[self.stage]).steps) if risen else (),
                silent_days=round(float(x[COLUMN["silent_days"]]), 3),
                method=self.desk.scorer.method,
                model_version=self.desk.scorer.version,
                policy_version=self.policy.version,
            ),
        )
        rows["published"][self.row] = probability
        self.desk.tally["assessed", ORDER[self.stage]] += 1
        if self.stage != before:
            self.desk.tally["stage", ORDER[before], ORDER[self.stage]] += 1

    def _rise(self, stage: int, probability: float) -> None:
        if not self.desk.acting:
            return
        if self.record.episode is None and self.now >= self.last_key + self.policy.episodes.churned_after_silent_days * DAY:
            self.record.gone = True  # first seen when it was long gone: winning back is another matter than keeping
            self.desk.tally["episode", "gone_before"] += 1
            return
        episode = self.open_episode()
        episode.peak_stage = max(episode.peak_stage, stage)
        episode.peak_probability = max(episode.peak_probability, probability)
        self.drop_planned(Rule.STAGE_PASSED, f"the lead is in {ORDER[stage]} now", only_playbook=True)
        episode.planned.extend(plan(self.policy, stage, self.now))
        if stage == CRITICAL:
            escalate_by_itself(self, "entered critical_risk")

    def open_episode(self) -> Episode:
        """The open episode, or a new one."""
        record = self.record
        if record.episode is None:
            record.episodes += 1
            record.episode = Episode(
                number=record.episodes,
                opened=self.now,
                peak_stage=self.stage,
                peak_probability=self.probability,
                held_out=held_out(self.policy.holdout, self.tenant, self.lead),
            )
            self.desk.tally["episode", "opened"] += 1
        return record.episode

    # -- what the lead does ----------------------------------------------------------------------------------------

    def on_activity(self, event: e.AboutLead, known: Meaning, at: float) -> None:
        """Signs of life stop the playbook, take credit, and may end the episode."""
        if not known.key:
            return
        converts = event.type in self.policy.episodes.converting
        self.record.closed, self.record.gone = "", False
        for intervention in self.record.open_interventions():
            if intervention.at <= at <= window_ends(intervention, self.policy.episodes.attribution_days):
                self._credit(intervention, Outcome.CONVERTED if converts else Outcome.RE_ENGAGED, final=converts)
        episode = self.record.episode
        if episode is None or at < episode.opened:
            return
        self.drop_planned(Rule.RECOVERED, f"the lead came back: {event.type}", only_playbook=not converts)
        self.withdraw(None, f"the lead came back: {event.type}")
        if converts:
            outbox.close_episode(self, episode, "converted", known.cents)

    def _credit(self, intervention: Intervention, outcome: Outcome, *, final: bool) -> None:
        if intervention.outcome is outcome and not final:
            return
        intervention.outcome, intervention.final = outcome, final
        outbox.tracked(self, intervention)

    def on_profile(self, event: e.ProfileUpdated) -> None:
        """Only what the event names changes."""
        told = event.model_fields_set & set(Profile.__struct_fields__)
        for name in told:
            setattr(self.record.profile, name, getattr(event, name))
        if "email" in told:
            self.record.suppressed.pop(Channel.EMAIL, None)
        if "phone" in told:
            self.record.suppressed.pop(Channel.SMS, None)

    def on_consent(self, event: e.ConsentChanged) -> None:
        """An opt-out also takes back what is not out yet."""
        self.record.consent[event.channel] = event.allowed
        if not event.allowed:
            self.withdraw(None if event.channel == ALL else Channel(event.channel), "the lead opted out")

    def on_receipt(self, event: e.Receipt) -> None:
        """What a courier or a provider says of one intervention."""
        found = next((i for i in self.record.interventions if i.id == event.intervention), None)
        if found is None or not apply_receipt(found, event.status):
            self.desk.tally["receipt", "ignored"] += 1
            return
        self.desk.tally["receipt", event.status] += 1
        if event.status == "bounced":
            self.record.suppressed[found.channel] = "the address bounced"
        outbox.tracked(self, found)
        if found.status in NOT_REACHED and not found.final:
            try_fallback(self, found)

    def on_closed(self, event: e.LeadClosed) -> None:
        """The relationship ended; nothing more goes out."""
        self.drop_planned(Rule.CLOSED, f"the lead was closed as {event.outcome}")
        self.withdraw(None, f"closed as {event.outcome}")
        if self.record.episode:
            end = "converted" if event.outcome == "won" else "churned"
            outbox.close_episode(self, self.record.episode, end, event.value_cents)
        self.record.closed, self.record.closed_at = event.outcome, self.now
        self.desk.table.rows["stage"][self.row] = 0

    def on_order(self, event: e.AboutLead) -> None:
        """Operators' orders."""
        match event:
            case e.TriggerIntervention():
                self.open_episode().planned.extend(plan(self.policy, ORDER.index(event.stage), self.now, by=event.id))
            case e.EscalateLead():
                escalate_by_order(self, event)
            case e.AcknowledgeEscalation() | e.ResolveEscalation():
                settle_escalation(self, event)
            case e.CancelInterventions():
                self.drop_planned(Rule.OPERATOR, f"cancelled by {event.by}")
                self.withdraw(None, f"cancelled by {event.by}")

    def on_erase(self) -> None:
        """Take back what is not out yet; the caller forgets the rest."""
        self.withdraw(None, "the lead was erased")
        self.desk.tally["erased",] += 1

    # -- what we plan ----------------------------------------------------------------------------------------------

    def drop_planned(self, rule: Rule, detail: str, *, only_playbook: bool = False) -> None:
        """Steps that will not happen; each is written down."""
        episode = self.record.episode
        if episode is None:
            return
        dropped = [p for p in episode.planned if not (only_playbook and p.by)]
        episode.planned = [p for p in episode.planned if only_playbook and p.by]
        for planned in dropped:
            outbox.decided(self, planned, Judgement(Verdict.HELD, rule, detail))

    def withdraw(self, channel: Channel | None, reason: str) -> None:
        """Tell couriers not to send what nobody has confirmed as out yet (None: on all channels that reach the lead)."""
        for i in self.record.open_interventions():
            rule = self.policy.channels.get(i.channel)
            concerned = i.channel == channel if channel else rule is not None and rule.contacts_lead
            if concerned and not i.held_out and RANK[i.status] <= RANK["queued"]:  # type: ignore[index]
                self.emit(
                    topics.INTERVENTIONS[i.channel],
                    WithdrawIntervention(id=i.id, tenant=self.tenant, lead=self.lead, at=self.at, channel=i.channel, reason=reason),
                )
                self.desk.tally["withdrawn", i.channel] += 1

    # -- closing the file ------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Let time do its work, then put the file away and note when to look again."""
        record, rules = self.record, self.policy.episodes
        if record.episode:
            end = ending(record.episode, rules, stage=self.stage, last_key=self.last_key, now=self.now)
            if end and not (end != "churned" and any(p.by for p in record.episode.planned)):
                self.drop_planned(Rule.RECOVERED if end == "re_engaged" else Rule.EXPIRED, f"the episode ended: {end}")
                outbox.close_episode(self, record.episode, end, None)
                record.gone = end == "churned"
        for intervention in record.open_interventions():
            if self.now >= window_ends(intervention, rules.attribution_days):
                if intervention.outcome is not Outcome.RE_ENGAGED:
                    intervention.outcome = outcome_without_life(intervention)
                intervention.final = True
                outbox.tracked(self, intervention)
        run_due_steps(self)
        record.interventions = forget_old(record.interventions)
        self._put_away()

    def _put_away(self) -> None:
        record, table = self.record, self.desk.table
        times = [self._forget_at()]
        if self._look_again is not None:
            times.append(self._look_again)
        if record.episode:
            times.append(ends_at(record.episode, self.policy.episodes, self.last_key))
            times.extend(p.due for p in record.episode.planned)
        times.extend(window_ends(i, self.policy.episodes.attribution_days) for i in record.open_interventions())
        table.due[self.row] = min(float(table.due[self.row]), *times)
        table.rows["flags"][self.row] = 1 if record.watched() else 0
        if record == EMPTY:
            self.desk.records.pop(self.row, None)
        else:
            self.desk.records[self.row] = encode_record(record)
