"""By which channel a step begins: what the lead wants, then what it answers, and "not enough data" said aloud."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outcomes import Outcome
from schemas.units import Channel, DeliveryStatus, Stage
from schemas.weights import Answered, Weights
from streams.channel_choice import CONTROL, HALF_LIFE, SHARES, choice, faded, note_answer
from streams.desk import desk_of
from streams.env import EVERYONE, Env
from streams.partition import Folded, Partition
from streams.plays import Step
from streams.record import Answers, Draw, Intervention, LeadRecord, Profile
from streams.risk import RuleScorer
from streams.rules import Case
from streams.variants import drawn
from tests.worlds import policy

E, A, S = Channel.EMAIL, Channel.IN_APP, Channel.SMS
STEP = Step(name="note", action="market_update", channel=E, template="x.email", fallback=(A, S), choose=True)
LEARNS = next(f"L{n}" for n in range(100) if drawn("channel_choice", SHARES, "acme", f"L{n}").variant != CONTROL)
COMPARES = next(f"L{n}" for n in range(100) if drawn("channel_choice", SHARES, "acme", f"L{n}").variant == CONTROL)
OF_STAGE = {Stage.EARLY_WARNING: {E: Answered(messages=400, rate=0.1), A: Answered(messages=300, rate=0.3)}}


def _case(record: LeadRecord, channels: Any = None, lead: str = LEARNS, now: float = 1e9) -> Case:
    weights = {"": {EVERYONE: Weights(channels=channels or {})}}
    env, partition = Env({"": {EVERYONE: policy()}}, {"": RuleScorer()}, weights=weights), Partition(0)
    row = partition.table.row_of(f"acme:{lead}".encode())
    case = Case(
        desk_of(partition, "acme", lead, env, Folded(), now, 0), row, "acme", lead, "e", partition.table.rows[row]
    )
    case.record = record
    return case


def _answers(**counts: tuple[float, float]) -> LeadRecord:
    return LeadRecord(answers={name: Answers(1e9, *pair) for name, pair in counts.items()})


def test_what_the_lead_wants_goes_before_everything_else() -> None:
    record = _answers(email=(50, 50), in_app=(50, 0))
    record.profile = Profile(preferred_channel="sms")
    told = choice(_case(record, OF_STAGE), STEP, 1)
    assert (told.order, told.why, told.draw) == ((S, E, A), "the lead prefers sms", None)
    record.profile = Profile(preferred_channel="phone")  # which the step does not have
    assert choice(_case(record, OF_STAGE), STEP, 1).order[0] is E


@pytest.mark.parametrize(
    ("record", "channels"),
    [
        (LeadRecord(), None),
        (_answers(email=(50, 0)), None),  # one channel says nothing of another
        (_answers(email=(2, 0), in_app=(2, 2)), None),
        (LeadRecord(), {Stage.EARLY_WARNING: {E: Answered(messages=400, rate=0.1), A: Answered(messages=29, rate=1)}}),
        (LeadRecord(), {Stage.ACTIVE_RISK: OF_STAGE[Stage.EARLY_WARNING]}),
    ],
)
def test_too_little_data_is_said_and_changes_nothing(record: LeadRecord, channels: Any) -> None:
    told = choice(_case(record, channels), STEP, 1)
    assert (told.order, told.draw) == ((E, A, S), None)
    assert "not enough data" in told.why


def test_few_answers_of_its_own_hardly_move_what_its_stage_answers_and_many_do() -> None:
    assert choice(_case(LeadRecord(), OF_STAGE), STEP, 1).order == (A, E, S)
    assert choice(_case(_answers(email=(3, 1), in_app=(3, 0)), OF_STAGE), STEP, 1).order == (A, E, S)
    told = choice(_case(_answers(email=(12, 6), in_app=(12, 0)), OF_STAGE), STEP, 1)
    assert told.order == (E, A, S)
    assert told.why == "expected by its own answers: email 32%, in_app 14%, sms 10%"
    assert told.draw == Draw("channel_choice", "learned", 0.9)


def test_a_tenth_goes_as_written_to_compare_with() -> None:
    told = choice(_case(LeadRecord(), OF_STAGE, COMPARES), STEP, 1)
    assert (told.order, told.draw) == ((E, A, S), Draw("channel_choice", "as_written", 0.1))
    fixed = STEP.model_copy(update={"choose": False})
    assert choice(_case(LeadRecord(), OF_STAGE), fixed, 1) == ((E, A, S), "", None)


@given(
    record=st.dictionaries(st.sampled_from(("email", "in_app", "sms")), st.tuples(st.floats(0, 100), st.floats(0, 1))),
    preferred=st.sampled_from((None, "email", "in_app", "sms", "phone")),
    lead=st.sampled_from((LEARNS, COMPARES)),
)
def test_each_channel_is_tried_once_whatever_is_known(record: Any, preferred: Any, lead: str) -> None:
    known = _answers(**{name: (n, n * share) for name, (n, share) in record.items()})
    known.profile = Profile(preferred_channel=preferred)
    assert sorted(choice(_case(known, OF_STAGE, lead), STEP, 1).order) == sorted((E, A, S))


def test_what_counts_as_an_answer_and_how_it_fades() -> None:
    record = LeadRecord()

    def note(status: DeliveryStatus, outcome: Outcome, **fields: Any) -> None:
        i = Intervention("i", 0, 1, 1, "note", E, fields.pop("held_out", False), 0.0, status, outcome, **fields)
        note_answer(record, i, 0.0)

    note(DeliveryStatus.OPENED, Outcome.IGNORED)
    note(DeliveryStatus.CLICKED, Outcome.IGNORED)
    note(DeliveryStatus.DELIVERED, Outcome.RE_ENGAGED)
    note(DeliveryStatus.BOUNCED, Outcome.FAILED)
    note(DeliveryStatus.PENDING, Outcome.IGNORED, held_out=True)
    note(DeliveryStatus.PENDING, Outcome.RE_ENGAGED, withdrawn=True)
    assert record.answers == {"email": Answers(0.0, 3.0, 2.0)}
    assert faded(record.answers["email"], HALF_LIFE) == Answers(HALF_LIFE, 1.5, 1.0)
