"""What the arbiter weighs beyond consent, caps and cooldown: the lead's clock, its calendar, gaps, money, a person's yes, rank."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.commands import QuietWindow
from schemas.decisions import Rule
from schemas.units import Channel
from streams.budget import Spending, day_of, exhausted, note
from streams.closed_days import closed_days
from streams.decide import quiet_window
from streams.entries import LONGEST_ROUND
from streams.lead import Message, Partition, fold
from streams.quiet_hours import is_quiet, quiet_until
from streams.rank import rank, worth
from streams.record import LeadRecord, Planned, Profile
from streams.zone import zone_of
from tests.unit.lives import CALM, Life
from tests.worlds import env, message, policy

WINTER, SUMMER = (datetime(2026, month, 14, 17, tzinfo=UTC).timestamp() for month in (1, 7))


@pytest.mark.parametrize(
    ("profile", "zone", "source"),
    [
        (Profile(timezone="Asia/Tokyo", phone="+14155550132", region="DE"), "Asia/Tokyo", "the lead's own"),
        (Profile(phone="+14155550132", region="DE"), "America/Los_Angeles", "by the phone number"),
        (Profile(phone="+447911123456"), "Europe/Guernsey", "by the phone number"),  # four names for one clock
        (Profile(phone="+79161234567", region="DE"), "Europe/Berlin", "by the region DE"),  # sixteen clocks
        (Profile(phone="+18005550132", region="US-CA"), "America/Los_Angeles", "by the region US-CA"),
        (Profile(region="DE-BY"), "Europe/Berlin", "by the region DE-BY"),
        (Profile(region="US-NY"), "UTC", "the tenant's"),  # a country of many clocks, and no word of the policy
        (Profile(phone="no number", region="ZZ"), "UTC", "the tenant's"),
        (Profile(), "UTC", "the tenant's"),
    ],
)
def test_the_clock_is_found_on_a_ladder(profile: Profile, zone: str, source: str) -> None:
    found = zone_of(profile, {"US-CA": "America/Los_Angeles"}, "UTC", WINTER)
    assert found == (zone, source)


def test_holidays_are_those_of_the_lead_where_known() -> None:
    first, last = date(2026, 7, 1), date(2026, 8, 31)
    assert closed_days(None, "US", first, last) == ()
    assert closed_days("US", None, first, last) == (date(2026, 7, 3), date(2026, 7, 4))
    assert closed_days("US", "DE-BY", first, last) == ()
    assert date(2026, 1, 6) in closed_days("US", "DE-BY", date(2026, 1, 1), last), "Epiphany, in Bavaria"
    assert date(2026, 1, 6) not in closed_days("US", "DE-ZZ", date(2026, 1, 1), last), "Germany as a whole"
    assert closed_days("US", "ZZ", first, last) == closed_days("US", None, first, last)
    assert {d.year for d in closed_days("US", None, date(2025, 12, 20), date(2026, 1, 5))} == {2025, 2026}


def test_days_off_and_holidays_are_quiet_from_midnight_to_midnight() -> None:
    rules = policy({"quiet_hours": {"holidays": "US", "days_off": ["sunday"]}})
    friday = datetime(2026, 7, 3, 15, tzinfo=UTC)  # a holiday, as the 4th is a Saturday; the 5th is a day off
    window = quiet_window(rules, Profile(), friday.timestamp(), friday.timestamp() + 9 * 86400)
    assert window.closed == (date(2026, 7, 3), date(2026, 7, 4))
    assert is_quiet(friday, window)
    assert quiet_until(friday, window) == datetime(2026, 7, 6, 13, tzinfo=UTC), "Monday, nine in New York"


ZONES = ("America/New_York", "Europe/Berlin", "Asia/Beirut", "America/Havana", "Australia/Lord_Howe", "Asia/Tokyo")


@given(
    at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 20), timezones=st.just(UTC)),  # noqa: DTZ001 - with the zone beside
    zone=st.sampled_from(ZONES),
    hours=st.tuples(st.integers(0, 1439), st.integers(0, 1439)),
    days_off=st.sets(st.integers(0, 6), max_size=6),
    closed=st.sets(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=40),
)
def test_quiet_days_end_where_the_next_loud_minute_begins(
    at: datetime, zone: str, hours: tuple[int, int], days_off: set[int], closed: set[date]
) -> None:
    """Never before `at`; not quiet itself; and nothing between is loud, looked at every 20 minutes and right before."""
    window = QuietWindow(
        start_minute=hours[0], end_minute=hours[1], timezone=zone, days_off=tuple(days_off), closed=tuple(closed)
    )
    end = quiet_until(at, window)
    assert end >= at
    assert not is_quiet(end, window)
    seconds = int((end - at).total_seconds())
    for s in (*range(0, seconds, max(1200, seconds // 60)), seconds - 1 if seconds else None):
        assert s is None or is_quiet(datetime.fromtimestamp(at.timestamp() + s, UTC), window)


def decisions(life: Life, step: str) -> list[dict[str, Any]]:
    """What was decided about a step."""
    return [t for t in life.told if t["type"] == "decided" and t["step"] == step]


def own(action: str = "special_offer", channel: str = "email", **more: Any) -> dict[str, Any]:
    """An operator's own action: a way to get a step at a known moment."""
    return {"action": action, "channel": channel, "template": f"critical_risk.{channel}", **more}


def ordered(life: Life, day: float, *actions: dict[str, Any]) -> None:
    """Order these on that day."""
    life.tell(day, "trigger_intervention", stage="critical_risk", by="kim", actions=list(actions))


def test_two_actions_of_a_kind_keep_their_gap_by_whatever_channel() -> None:
    life = Life({"caps": {**CALM["caps"], "action_gap_hours": {"special_offer": 48}}})
    life.tell(0, "item_viewed", item="x")
    ordered(life, 1, own())
    ordered(life, 2, own(channel="in_app"), own("market_update", "in_app"))
    life.ticks(3, 3)
    assert [(d["verdict"], d["rule"]) for d in decisions(life, "ordered_1")] == [
        ("sent", "operator"), ("deferred", "action_gap"), ("sent", "operator"),
    ]  # fmt: skip
    assert [d["rule"] for d in decisions(life, "ordered_2")] == ["operator"]


def test_a_step_waits_for_a_persons_yes() -> None:
    life = Life({"approvals": {"actions": ["special_offer"], "expires_after_hours": 24}})
    life.tell(0, "item_viewed", item="x")
    ordered(life, 1, own(), own(channel="in_app"), own("market_update", "in_app"))
    assert [d["rule"] for d in decisions(life, "ordered_3")] == ["operator"], "needs nobody's yes"
    (asked,), (also,) = decisions(life, "ordered_1"), decisions(life, "ordered_2")
    assert (asked["verdict"], asked["rule"]) == ("deferred", "approval")
    assert datetime.fromisoformat(asked["until"]) - datetime.fromisoformat(asked["at"]) == _hours(24)
    life.tell(1.5, "approve_intervention", intervention=asked["intervention"], by="lee")
    assert (decisions(life, "ordered_1")[-1]["verdict"], decisions(life, "ordered_1")[-1]["detail"]) == (
        "sent", "nothing objected; lee agreed",
    )  # fmt: skip
    life.tell(
        1.6, "approve_intervention", intervention=also["intervention"], by="lee", approved=False, reason="too dear"
    )
    last = decisions(life, "ordered_2")[-1]
    assert (last["verdict"], last["rule"], last["detail"]) == ("held", "approval", "lee did not agree: too dear")
    life.tell(1.7, "approve_intervention", intervention=also["intervention"], by="lee")
    assert decisions(life, "ordered_2")[-1] == last, "what was refused stays so"


def test_a_yes_that_does_not_come_expires() -> None:
    life = Life({"approvals": {"above_value_cents": 100_000, "expires_after_hours": 24}}, value_cents=200_000)
    life.tell(0, "item_viewed", item="x")
    ordered(life, 1, own())
    life.ticks(2, 3)
    assert [(d["verdict"], d["rule"]) for d in decisions(life, "ordered_1")] == [
        ("deferred", "approval"),
        ("held", "approval"),
    ]
    assert decisions(life, "ordered_1")[-1]["detail"] == "nobody agreed within 24 h"


def _hours(n: float) -> Any:
    return datetime.fromtimestamp(n * 3600, UTC) - datetime.fromtimestamp(0, UTC)


def test_the_higher_rank_goes_first_and_the_other_says_who_won() -> None:
    """The same lead, moment and risk: what its channel costs and how soon its time is over decide. Staff does not compete."""
    one = {**CALM["caps"], "max_per_day": 1}
    life = Life({"caps": one, "channels": {**CALM["channels"], "email": {"max_per_week": 9, "cost_cents": 900}}})
    life.tell(0, "item_viewed", item="x")
    ordered(life, 1, own(within_hours=72), own(channel="in_app", within_hours=72), own("immediate_call", "crm_task"))
    mail, app, task = (decisions(life, f"ordered_{i}")[0] for i in (1, 2, 3))
    assert (app["verdict"], mail["verdict"], task["verdict"]) == ("sent", "deferred", "sent")
    assert mail["winner"] == app["intervention"]
    assert mail["detail"].endswith("ordered_2 went first")
    assert app["rank"]["score"] > mail["rank"]["score"]
    assert mail["rank"]["cost_cents"] == 900
    assert (app["winner"], task["winner"]) == (None, None)
    soon = Life({"caps": one}, value_cents=10_000)
    soon.tell(0, "item_viewed", item="x")
    ordered(soon, 1, own(within_hours=72), own(channel="in_app", within_hours=30))
    assert [decisions(soon, f"ordered_{i}")[0]["verdict"] for i in (1, 2)] == ["deferred", "sent"]
    ordered(soon, 1.2, own())
    last = decisions(soon, "ordered_1")[-1]
    assert (last["rule"], last["winner"]) == ("cap_total", None), "an earlier contact is nobody's victory"


@pytest.mark.parametrize(
    ("changes", "rule", "first", "others"),
    [
        ({"channels": {**CALM["channels"], "email": {"max_per_week": 1, "min_gap_hours": 0}}}, "cap_channel",
         own(within_hours=20), [own(channel="in_app", within_hours=30), own("market_update", within_hours=200)]),
        ({"channels": {**CALM["channels"], "email": {"min_gap_hours": 9}}}, "cooldown",
         own(within_hours=20), [own(channel="in_app", within_hours=30), own("market_update")]),
        ({"caps": {**CALM["caps"], "action_gap_hours": {"special_offer": 9}}}, "action_gap",
         own(within_hours=20), [own("market_update", "in_app", within_hours=30), own(channel="in_app")]),
        ({"caps": {**CALM["caps"], "action_gap_hours": {"immediate_call": 9}}}, "action_gap",
         own("immediate_call", "crm_task"), [own(within_hours=20), own("immediate_call")]),
        ({"caps": {**CALM["caps"], "max_per_day": 2}}, "cap_total",
         own(channel="in_app", within_hours=30), [own(within_hours=20), own("market_update")]),
        ({"budget": {"per_day_cents": 250},
          "channels": {**CALM["channels"], "email": {"cost_cents": 200, "min_gap_hours": 0}}}, "budget",
         own(within_hours=20), [own(channel="in_app", within_hours=30), own("market_update")]),
    ],
    ids=["cap_channel", "rest of a channel", "gap", "gap taken by staff", "cap_total", "budget"],
)  # fmt: skip
def test_the_winner_is_who_filled_the_cap_and_not_who_went_out_last(
    changes: dict[str, Any], rule: str, first: dict[str, Any], others: list[dict[str, Any]]
) -> None:
    """Of three in one moment, two go out; the last is put off, and its decision names that one which is in its way."""
    life = Life(changes, value_cents=1_000_000)
    life.tell(0, "item_viewed", item="x")
    ordered(life, 1, first, *others)
    won, _, lost = (decisions(life, f"ordered_{i}")[0] for i in (1, 2, 3))
    assert [d["verdict"] for d in (won, lost)] == ["sent", "deferred"]
    assert (lost["rule"], lost["winner"]) == (rule, won["intervention"])
    assert lost["detail"].endswith("; ordered_1 went first")


def test_who_could_not_have_gone_out_anyway_was_beaten_by_nobody() -> None:
    life = Life(
        {"caps": {**CALM["caps"], "max_per_day": 2, "action_gap_hours": {"special_offer": 48}}}, value_cents=10_000
    )
    life.tell(0, "item_viewed", item="x")
    ordered(life, 1, own())
    ordered(life, 2.5, own("market_update", "in_app"), own("schedule_meeting"), own(channel="in_app", within_hours=90))
    late = decisions(life, "ordered_3")[0]
    assert (late["rule"], late["winner"]) == ("cap_total", None), "its gap kept it back before that"


def test_rank_is_expected_value_by_urgency() -> None:
    rules = policy({"lead_value_cents": 5_000})
    step = rules.playbooks.active_risk.steps[1].model_copy(update={"effect": 0.5, "cost_cents": 100.0})
    planned = Planned(2, step.name, Channel.EMAIL, 0.0, 20 * 3600.0)
    assert rank(step, planned, rules, value_cents=10_000, risk=0.6, now=0.0).score == pytest.approx(
        (0.6 * 0.5 * 10_000 - 100.01) / 20, abs=0.01
    )
    assert rank(step, planned, rules, value_cents=0, risk=0.6, now=1e6).hours_left == 1.0
    assert [worth(p, rules, 7_000.0) for p in (Profile(value_cents=1), Profile())] == [1.0, 7_000.0]
    assert worth(Profile(), rules, 0.0) == 5_000.0


def test_a_budget_is_a_share_of_the_tenants_day() -> None:
    zone = "America/New_York"
    assert day_of(WINTER, zone) == date(2026, 1, 14).toordinal()
    assert day_of(datetime(2026, 1, 15, 4, tzinfo=UTC).timestamp(), zone) == date(2026, 1, 14).toordinal()
    assert exhausted(1_000_000, 0.0, 10.0, WINTER, zone) is None, "what costs nothing always fits"
    assert exhausted(9_000, 1.0, 10.0, WINTER, zone) is None
    refusal = exhausted(9_000, 1.01, 10.0, WINTER, zone)
    assert refusal
    assert (refusal.rule, refusal.until) == (Rule.BUDGET, datetime(2026, 1, 15, 5, tzinfo=UTC).timestamp())


def test_expenses_are_known_at_each_offset_until_nobody_can_ask() -> None:
    record, other = LeadRecord(), LeadRecord()
    for offset, day in ((10, 1), (20, 9), (20 + LONGEST_ROUND, 9)):
        note(record, offset, day, 1.5)
    assert [s.offset for s in record.spent] == [20, 20 + LONGEST_ROUND]
    note(other, 15, 9, 2.0)
    spending = Spending([(b"a:L", record), (b"a:M", other), (b"b:L", other)])
    assert [spending.until(b"a:Z", 9, offset) for offset in (14, 15, 20)] == [0, 2_000, 3_500]
    spending.forget(b"a:M")
    assert spending.until(b"a:Z", 9, 20) == 1_500


@pytest.mark.parametrize("partitions", [1, 2])
def test_leads_of_a_tenant_share_a_days_budget(partitions: int) -> None:
    """Three calls at 10.00 each, 25.00 a day: two go out today and one tomorrow; of two partitions each gives one."""
    rules = policy(
        {
            **CALM,
            "holdout": {"share": 0.0},
            "budget": {"per_day_cents": 2_500},
            "channels": {"email": {"cost_cents": 1_000}},
        }
    )
    world, partition, told = env(rules), Partition(0), []
    world = type(world)(world.policies, world.scorers, partitions=partitions)
    started = datetime(2026, 1, 7, 15, tzinfo=UTC)
    for i, lead in enumerate(("A", "B", "C")):
        about = {"tenant": "acme", "lead": lead, "at": started.isoformat()}
        bodies: list[dict[str, Any]] = [
            {"type": "profile_updated", "email": "x@example.com"},
            {"type": "item_viewed", "item": "x"},
            {"type": "trigger_intervention", "stage": "active_risk", "by": "kim", "actions": [own()]},
        ]
        for j, body in enumerate(bodies):
            done = fold(partition, [message(3 * i + j, {"id": f"{i}{j}", **about, **body}, started)], world)
            told += [o.value or b"" for o in done.outputs if o.topic == "lead.decisions"]
    assert [b'"verdict":"sent"' in t for t in told] == [True, partitions == 1, False]
    assert b'"rule":"budget"' in told[-1]


def test_after_a_crash_a_step_is_held_with_the_same_words() -> None:
    """X spends, A finds too little left, B spends the rest; only X and B got to the changelog. A is judged as the first time."""
    changes: dict[str, Any] = {
        **CALM,
        "holdout": {"share": 0.0},
        "budget": {"per_day_cents": 1_500},
        "channels": {"email": {"cost_cents": 1_000}, "crm_task": {"cost_cents": 400}},
    }
    world, at = env(policy(changes)), datetime(2026, 1, 7, 15, tzinfo=UTC)
    log: list[Message] = []
    for lead, channel in (("X", "email"), ("A", "email"), ("B", "crm_task")):
        for body in (
            {"type": "profile_updated", "email": "x@example.com"},
            {"type": "trigger_intervention", "stage": "active_risk", "by": "kim", "actions": [own(channel=channel)]},
        ):
            about = {"id": f"m{len(log)}", "tenant": "acme", "lead": lead, "at": at.isoformat()}
            log.append(message(len(log), {**about, **body}, at))
    first = Partition(0)
    told = fold(first, log, world).outputs
    assert [b'"rule":"budget"' in (o.value or b"") for o in told if o.topic == "lead.decisions"] == [False, True, False]
    leads, _ = first.changes()
    second = Partition(0)
    second.restore([(key, value, 0) for key, value in leads if key != b"acme:A"])
    again = fold(second, log, world).outputs
    assert again == [o for o in told if o.key == b"acme:A"]
    assert b"10.00 of today's 15.00 are spent" in b"".join(o.value or b"" for o in again)
    second.touch_all(np.array(list(second.table.index.values())))
    assert dict(second.changes()[0]) == dict(leads)
