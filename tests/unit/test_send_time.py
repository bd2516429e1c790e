"""Held to an hour within the deadline; a lead's own hour only with evidence; "not enough data" said aloud."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.cli.learn import hours_in_words
from agents.habits import Habits
from agents.inbox_log import Received
from agents.learned import Log, announcement, learn
from schemas.decisions import Rule
from schemas.errors import PolicyInvalid
from schemas.outcomes import InterventionTracked
from schemas.units import Channel, Priority, Stage
from schemas.weights import Weights, name_of
from streams.desk import desk_of
from streams.env import EVERYONE, Env
from streams.hours import Hours, Tried, hours
from streams.ids import bucket
from streams.partition import Folded, Partition
from streams.plays import Step
from streams.quiet_hours import open_hours
from streams.record import Planned
from streams.risk import RuleScorer
from streams.rules import Case
from streams.send_time import Hour, holds, hour_of
from tests.worlds import START, message, policy

OPEN = range(9, 20)
SHARES = {"fixed": 0.2, "explore": 0.1, "learned": 0.7}
POLICY = policy({"send_time": {"hour": 10, "control": 0.2, "explore": 0.1}})
ZONES = st.sampled_from(("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"))


def _lead(low: float, high: float) -> str:
    """One whose hash falls there."""
    return next(f"L{n}" for n in range(1000) if low <= bucket("experiment:send_time", "acme", f"L{n}") / 10_000 < high)


FIXED, EXPLORES, LEARNS = _lead(0, 0.2), _lead(0.2, 0.3), _lead(0.3, 1)


def _hour(lead: str, weights: Weights, planned: Planned | None = None, **changes: Any) -> Hour | None:
    step = Step(name="note", action="market_update", channel=Channel.EMAIL, template="x").model_copy(update=changes)
    env, partition = Env({"": {EVERYONE: POLICY}}, {"": RuleScorer()}, weights={"": {EVERYONE: weights}}), Partition(0)
    row = partition.table.row_of(f"acme:{lead}".encode())
    desk = desk_of(partition, "acme", lead, env, Folded(), 1e9, 0)
    case = Case(desk, row, "acme", lead, "e", partition.table.rows[row])
    return hour_of(case, step, planned or Planned(1, "note", Channel.EMAIL, 1e9, 2e9))


def test_which_hour_and_why() -> None:
    own = Weights(hour=12, hours={18: (name_of("acme", LEARNS), name_of("acme", FIXED))})
    usual = Weights(hour=12)
    for lead in (LEARNS, FIXED):
        assert _hour(lead, Weights()) == Hour(10, "the usual hour: not enough data for another", None)
    told = [_hour(LEARNS, own), _hour(LEARNS, usual), _hour(FIXED, own), _hour(FIXED, usual)]
    assert [(h.hour, h.draw and h.draw.variant) for h in told if h] == [
        (18, "learned"), (12, "learned"), (10, "fixed"), (10, "fixed"),
    ]  # fmt: skip
    staged = usual.model_copy(update={"stage_hours": {Stage.EARLY_WARNING: 15}})
    by_stage = [_hour(LEARNS, staged), _hour(LEARNS, staged, Planned(2, "note", Channel.EMAIL, 1e9, 2e9))]
    assert [(h.hour, h.why) for h in by_stage if h] == [
        (15, "the hour in which leads in early_warning answer most"),
        (12, "the hour in which leads answer most; not enough data of those in active_risk"),
    ]
    own_first = staged.model_copy(update={"hours": {18: (name_of("acme", LEARNS),)}})
    assert [h.hour for h in (_hour(LEARNS, own_first), _hour(FIXED, staged)) if h] == [18, 10]
    explored = _hour(EXPLORES, own)
    assert explored
    assert explored.draw
    assert (explored.draw.variant, explored.draw.propensity) == ("explore", 0.1)
    assert explored.hour in open_hours(*POLICY.quiet_hours.minutes)


def test_what_is_urgent_or_ordered_or_for_staff_is_not_held() -> None:
    assert _hour(LEARNS, Weights(), priority=Priority.HIGH) is None
    assert _hour(LEARNS, Weights(), Planned(1, "note", Channel.EMAIL, 1e9, 2e9, by="kim")) is None
    assert _hour(LEARNS, Weights(), Planned(1, "note", Channel.CRM_TASK, 1e9, 2e9)) is None


@given(zone=ZONES, minutes=st.integers(0, 60 * 24 * 400), hour=st.integers(0, 23), left=st.integers(0, 72 * 60))
def test_it_is_held_to_that_hour_and_never_beyond_the_deadline(zone: str, minutes: int, hour: int, left: int) -> None:
    """Also over the nights in which clocks are changed; an hour that such a night skips comes an hour later."""
    now = (START + timedelta(minutes=minutes)).timestamp()
    planned = Planned(1, "note", Channel.EMAIL, now, now + left * 60)
    refusal = holds(Hour(hour, "", None), planned, zone, now)

    def shown(at: float) -> int:
        return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).hour

    if refusal is None:
        waits = next((m for m in range(26 * 60) if shown(now + m * 60) == hour), None)
        in_time = (shown(now) - hour) % 24 < 2
        assert in_time or waits is None or waits * 60 + 59 > left * 60, "it could have waited"
        return
    assert refusal.until is not None
    assert refusal.rule is Rule.SEND_TIME
    assert now < refusal.until <= planned.expires
    assert shown(refusal.until) in {hour, (hour + 1) % 24}
    assert holds(Hour(hour, "", None), planned, zone, refusal.until) is None, "then it goes out"


def _habit(peak: int, n: int) -> list[float]:
    return [float(n) if hour == peak else 0.0 for hour in range(24)]


def test_a_lead_has_an_hour_of_its_own_from_forty_events_on() -> None:
    crowd = {f"c{n}": _habit(10 + n % 8, 39) for n in range(80)}
    known = hours(crowd | {"late": _habit(18, 40), "few": _habit(18, 39)}, {}, OPEN)
    assert known.own == {"late": 18}
    assert known.usual is None
    assert hours({"owl": _habit(3, 400)}, {}, OPEN).own["owl"] in OPEN, "never in quiet hours"
    assert "not enough data" in hours_in_words(known)[0]


def test_the_hour_of_all_needs_a_thousand_messages_at_drawn_hours() -> None:
    sent = [100.0 if hour in OPEN else 0.0 for hour in range(24)]
    back = [0.3 * n if hour == 17 else 0.1 * n for hour, n in enumerate(sent)]
    assert _all(sent, back).usual == 17
    assert _all([n / 2 for n in sent], [n / 2 for n in back]).usual is None
    lucky = [1.0 if hour == 9 else n for hour, n in enumerate(sent)]
    assert _all(lucky, [n if hour == 9 else back[hour] for hour, n in enumerate(lucky)]).usual == 17


def _all(sent: list[float], answered: list[float]) -> Hours:
    return hours({}, {Stage.EARLY_WARNING: Tried(sent, answered)}, OPEN)


def test_the_hour_of_a_stage_needs_as_many_of_its_own() -> None:
    sent = [100.0 if hour in OPEN else 0.0 for hour in range(24)]

    def peak(at: int, n: list[float]) -> Tried:
        return Tried(n, [(0.3 if hour == at else 0.1) * one for hour, one in enumerate(n)])

    known = hours({}, {Stage.EARLY_WARNING: peak(10, sent), Stage.ACTIVE_RISK: peak(17, [n / 2 for n in sent])}, OPEN)
    assert known.stages == {Stage.EARLY_WARNING: (1100, 10), Stage.ACTIVE_RISK: (550, None)}
    assert (known.usual, known.tried) == (10, 1650)
    lines = hours_in_words(known)
    assert lines[1:3] == [
        "in early_warning: most at 10:00, by 1,100 messages",
        "in active_risk: the hour of all, by 550 messages of 1,000 needed",
    ]
    assert all(len(line) <= 80 for line in lines)


def test_weights_of_before_there_were_hours_of_stages_can_be_read() -> None:
    assert (
        Weights.model_validate_json(b'{"experiments": {}, "hour": 12, "hours": {}, "channels": {}}').stage_hours == {}
    )


def test_one_hour_for_all_is_better_than_the_hour_each_opened_most_and_shrinking_is_better_still() -> None:
    """Made-up leads: a common pattern and some of their own; 300 events each. Reached: rate of answers at the hour chosen."""
    dice, leads = np.random.default_rng(3), 400
    clock = np.arange(24)
    common = 0.06 + 0.08 * np.exp(-0.5 * ((clock - 17) / 3) ** 2)
    shift = np.clip(dice.normal(0, 3, leads), -6, 2)
    truth = 0.06 + 0.12 * np.exp(-0.5 * ((clock[None, :] - 17 - shift[:, None]) / 2) ** 2) * dice.uniform(
        0, 1, (leads, 1)
    )
    truth = 0.5 * truth + 0.5 * common
    events = dice.poisson(300 * truth / truth.sum(axis=1, keepdims=True))
    sent = np.full(24, 400.0)
    answered = dice.binomial(400, truth.mean(axis=0))
    tried = {Stage.EARLY_WARNING: Tried(sent.tolist(), answered.tolist())}
    known = hours({str(i): row.tolist() for i, row in enumerate(events)}, tried, range(24))
    assert known.usual is not None
    chosen = np.mean([truth[int(lead), hour] for lead, hour in known.own.items()])
    opens = dice.binomial(3, truth)  # three messages at each hour
    argmax = np.mean(truth[np.arange(leads), opens.argmax(axis=1)])
    assert chosen > truth[:, known.usual].mean() > argmax


def _event(n: int, lead: str, at: datetime, **fields: Any) -> Received:
    body = {"id": f"e{n}", "tenant": "acme", "lead": lead, "at": at.isoformat(), "type": "item_viewed", "item": "x"}
    return Received(b"", message(n, body | fields, at).value or b"", 0)


def test_habits_are_counted_on_the_leads_own_clock_and_published_without_its_name() -> None:
    until = START + timedelta(days=100)
    log = [_event(0, "L1", START, type="profile_updated", timezone="Asia/Tokyo")]
    log += [_event(n, "L1", until - timedelta(days=n)) for n in range(1, 60)]
    log += [_event(200 + n, "L1", until - timedelta(days=91 + n)) for n in range(5)]  # too long ago
    log += [_event(300, "L1", until, type="crm_stage_changed", stage="x"), Received(b"", b"{", 0)]
    habits = Habits(log, {EVERYONE: POLICY}, until)
    assert habits.activity["acme"]["L1"] == _habit(0, 59), "15:00 UTC is midnight in Tokyo"
    assert habits.hour_of("acme", "L2", START.timestamp()) == 10, "the tenant's own clock for who is nowhere"
    one = {
        "id": "t", "tenant": "acme", "lead": "L1", "at": until, "intervention": "i", "episode": 1, "stage": "early_warning",
        "step": "note", "channel": "email", "arm": "treated", "commanded_at": START, "status": "clicked",
        "outcome": "ignored", "final": True, "engaged": True, "success_score": 0.5, "cost_cents": 0, "hours": 1,
        "policy_version": "1", "drawn": [{"experiment": "send_time", "variant": "explore", "propensity": 0.1}],
    }  # fmt: skip
    learned = learn(Log([InterventionTracked.model_validate(one)]), habits, {EVERYONE: POLICY})
    assert learned is not None
    found = learned.tenants["acme"].hours
    assert isinstance(found, Hours)
    assert (found.tried, found.stages) == (1, {Stage.EARLY_WARNING: (1, None)})
    weights = announcement(learned).weights["acme"]
    assert weights.hour_of("acme", "L1") == found.own["L1"]
    assert weights.hour_of("acme", "L2") is None
    assert "L1" not in announcement(learned).model_dump_json()


def test_an_hour_in_the_quiet_hours_is_no_policy() -> None:
    with pytest.raises(PolicyInvalid, match="in the quiet hours"):
        policy({"send_time": {"hour": 23}})
