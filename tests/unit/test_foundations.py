"""What the rules stand on: vocabulary, policy, durable state, and the pieces of the feature table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.errors import PolicyInvalid, StateUnreadable
from schemas.events import EVENT, Activity, event_classes
from schemas.units import Channel
from streams.env import EVERYONE, Env
from streams.features import ROW, Batch, FeatureTable, fold_wave, waves
from streams.lead import Partition, fold
from streams.outbox import instant
from streams.policy import Policy
from streams.record import Contact, Episode, Intervention, LeadRecord, OpenEscalation, Planned, Profile
from streams.risk import RuleScorer, sigmoid
from streams.state import (
    PARTITION_KEY,
    VERSION,
    PartitionState,
    decode_lead,
    decode_partition,
    decode_record,
    encode_leads,
    encode_partition,
    encode_record,
)  # fmt: skip
from streams.vector import COLUMN, FAMILY_OF, MONOTONE, NAMES
from streams.vocabulary import BUILT_IN, Family, Kind, meaning
from tests.worlds import POLICY_FILE, ROOT, START, env, message, policy

ACTIVITY = {name: cls for name, cls in event_classes().items() if issubclass(cls, Activity)}


def _example(name: str) -> Any:
    return EVENT.validate_json((ROOT / "schemas" / "examples" / "lead.events" / f"{name}.json").read_bytes())


# -- vocabulary


@pytest.mark.parametrize("name", sorted(ACTIVITY))
def test_every_activity_has_a_meaning(name: str) -> None:
    """Of its own: nothing built in falls to `other` by being forgotten."""
    told = meaning(_example(name), {})
    assert told.family in set(Family)
    assert name in BUILT_IN or name in {"call_completed", "custom"}


@pytest.mark.parametrize(
    ("name", "changes", "family", "key", "cents", "mood"),
    [
        ("call_completed", {"outcome": "connected"}, Family.REPLY, True, 0, None),
        ("call_completed", {"outcome": "no_answer"}, Family.UNANSWERED, False, 0, None),
        ("purchase_completed", {"amount_cents": 5}, Family.PURCHASE, True, 5, None),
        ("refund_issued", {"amount_cents": 5}, Family.PAYMENT, False, -5, None),
        ("survey_answered", {"score": 0.2}, Family.REPLY, True, 0, 0.2),
        ("review_posted", {"stars": 1}, Family.REPLY, True, 0, 0.0),
        ("review_posted", {"stars": 5}, Family.REPLY, True, 0, 1.0),
        ("page_viewed", {}, Family.BROWSE, False, 0, None),
        ("custom", {"kind": "unheard_of"}, Family.OTHER, False, 0, None),
        ("custom", {"kind": "demo", "amount_cents": 7}, Family.INTENT, True, 7, None),
    ],
)
def test_meanings(
    name: str, changes: dict[str, Any], family: Family, key: bool, cents: int, mood: float | None
) -> None:
    """Family, sign of life, money and mood."""
    told = meaning(_example(name).model_copy(update=changes), {"demo": Kind(Family.INTENT, key=True)})
    assert (told.family, told.key, told.cents) == (family, key, cents)
    assert math.isnan(told.mood) if mood is None else told.mood == mood


def test_a_policy_may_give_a_built_in_type_another_meaning() -> None:
    """A tenant to whom a page view is a sign of life says so."""
    assert meaning(_example("page_viewed"), {"page_viewed": Kind(Family.INTENT, key=True)}).key
    assert meaning(_example("call_completed"), {"call_completed": Kind(Family.VISIT, key=False)}).family == Family.VISIT


# -- policy


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stages": {"early_wraning": 0.3}}, ["stages.early_wraning", "Extra inputs"]),
        ({"colour": "blue"}, ["colour", "Extra inputs"]),
        ({"stages": {"early_warning": 0.7}}, ["stages", "thresholds must rise"]),
        ({"stages": {"critical_risk": 1.2}}, ["stages.critical_risk", "less than or equal to 1"]),
        ({"stages": {"hysteresis": -0.1}}, ["stages.hysteresis"]),
        ({"quiet_hours": {"start": "25:00"}}, ["quiet_hours.start"]),
        ({"caps": {"max_per_day": -1}}, ["caps.max_per_day"]),
        ({"holdout": {"share": 0.9}}, ["holdout.share"]),
        ({"channels": {"fax": {"contacts_lead": True}}}, ["channels.fax"]),
        ({"channels": {"email": {"consent": "maybe"}}}, ["channels.email.consent"]),
        ({"vocabulary": {"demo": {"family": "nope", "key": True}}}, ["vocabulary.demo.family"]),
        (
            {"playbooks": {"early_warning": {"steps": [{"name": "A B"}]}}},
            ["playbooks.early_warning.steps.0.name", "steps.0.template"],
        ),
        ({"publish": {"min_change": float("nan")}}, ["publish.min_change"]),
    ],
)
def test_a_wrong_policy_names_the_key(changes: Mapping[str, Any], words: list[str]) -> None:
    """And where it came from, so that an operator finds it."""
    with pytest.raises(PolicyInvalid) as caught:
        policy(changes)
    assert "test policy" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_step_may_only_use_a_channel_that_is_described_and_names_differ() -> None:
    """Both errors say where."""
    step = {"name": "ring", "action": "immediate_call", "channel": "webhook", "template": "x", "fallback": ["sms"]}
    only_email = {c.value: {"contacts_lead": True} for c in (Channel.EMAIL, Channel.WEBHOOK)}
    raw: dict[str, Any] = {
        "name": "n",
        "version": "1",
        "channels": only_email,
        "playbooks": {"active_risk": {"steps": [step]}},
    }
    with pytest.raises(ValueError, match=r"step ring uses sms, which \[channels\] does not describe"):
        Policy.model_validate(raw)
    raw["playbooks"]["active_risk"]["steps"] = [{**step, "fallback": []}] * 2
    with pytest.raises(ValueError, match="same name"):
        Policy.model_validate(raw)


@pytest.mark.parametrize("path", sorted(POLICY_FILE.parent.glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_policy_is_valid(path: Any) -> None:
    """All of them, by file."""
    import tomllib  # noqa: PLC0415 - here only

    from streams.policy import parse_policy  # noqa: PLC0415 - here only

    assert parse_policy(tomllib.loads(path.read_text()), str(path)).playbooks.critical_risk.steps


def test_a_tenant_has_its_own_policy_or_everyones() -> None:
    """By version."""
    own, default = policy({"version": "own"}), policy()
    world = Env({"": {EVERYONE: default, "acme": own}}, {})
    assert world.policy("", "acme") is own
    assert world.policy("", "zeta") is default


# -- durable state


def _full_record() -> LeadRecord:
    return LeadRecord(
        profile=Profile(name="Ann", value_cents=5),
        consent={"all": False, "email": True},
        suppressed={Channel.EMAIL: "the address bounced"},
        episode=Episode(2, 1.5, 3, 0.75, held_out=True, planned=[Planned(1, "s", Channel.SMS, 1.0, 2.0, 3, "op")]),
        episodes=2,
        contacts=[Contact(1.25, Channel.PUSH)],
        interventions=[
            Intervention("i", 1.0, 2, 1, "s", Channel.EMAIL, held_out=False, cost_cents=0.01, withdrawn=True)
        ],
        escalations=[OpenEscalation("e", 1.0, 2, "lee", "why", acknowledged=True)],
        escalated=1,
        last_escalation=9.5,
        closed="won",
        closed_at=7.0,
        gone=True,
    )


def test_a_lead_survives_the_round_trip() -> None:
    """Row and record, to the byte; also a lead without a record."""
    rows = np.zeros(2, ROW)
    rows["guard"], rows["cents"], rows["ring"], rows["born"] = [5, -1], [12.5, 0], 2**64 - 1, 7
    record = encode_record(_full_record())
    values = encode_leads(rows, [record, None])
    for value, row, data in zip(values, rows, [record, None], strict=True):
        back, held = decode_lead(value)
        assert back.tobytes() == row.tobytes()
        assert held == data
    assert decode_record(record) == _full_record()


def test_older_shorter_rows_and_records_are_readable() -> None:
    """Fields are only ever appended: what an older version did not know is zero, or its default."""
    row = np.zeros(1, ROW)
    row["guard"], row["events"] = 9, 4
    shorter = row.tobytes()[: -ROW["born"].itemsize]
    back, _ = decode_lead(msgspec.msgpack.encode((VERSION, shorter, None)))
    assert (int(back["guard"]), int(back["events"]), int(back["born"])) == (9, 4, 0)
    fields = msgspec.msgpack.decode(encode_record(_full_record()))
    older = decode_record(msgspec.msgpack.encode(fields[: LeadRecord.__struct_fields__.index("closed")]))
    assert (older.escalated, older.closed, older.gone) == (1, "", False)
    marker = decode_partition(msgspec.msgpack.encode([1, 17, 2.5]))
    assert marker == PartitionState(1, 17, 2.5, "", "", acting=True)


@pytest.mark.parametrize(
    "value",
    [
        b"", b"\xc1", b"not msgpack", msgspec.msgpack.encode([1]), msgspec.msgpack.encode({"v": 1}),
        msgspec.msgpack.encode((99, b"", None)), msgspec.msgpack.encode((VERSION, "text", None)),
        msgspec.msgpack.encode((VERSION, b"x" * (ROW.itemsize + 1), None)),
    ],
)  # fmt: skip
def test_damaged_state_stops(value: bytes) -> None:
    """Guessing would lose data: a typed error instead."""
    with pytest.raises(StateUnreadable):
        decode_lead(value)
    with pytest.raises(StateUnreadable):
        Partition(0).restore([(b"acme:L1", value, 0)])


def test_a_damaged_marker_stops() -> None:
    """The same for the partition's marker."""
    for value in (b"", b"\xc1", None, msgspec.msgpack.encode(["x"])):
        with pytest.raises(StateUnreadable):
            Partition(0).restore([(PARTITION_KEY, value, 0)])
    state = PartitionState(1, 17, 2.5, "2", "m", acting=False)
    assert decode_partition(encode_partition(state)) == state


def test_an_older_write_does_not_undo_a_newer_one() -> None:
    """The last write of a paused former owner may come after its successor's."""
    partition = Partition(0)
    rows = np.zeros(2, ROW)
    rows["guard"], rows["events"] = [5, 3], [50, 30]
    newer, older = encode_leads(rows, [None, None])
    partition.restore([(b"acme:L1", newer, 0), (b"acme:L1", older, 1)])
    assert int(partition.table.rows["events"][0]) == 50
    partition.restore([(b"acme:L1", older, 0)])
    assert int(partition.table.rows["events"][0]) == 50
    partition.restore([(PARTITION_KEY, encode_partition(PartitionState(applied=9)), 0)])
    partition.restore([(PARTITION_KEY, encode_partition(PartitionState(applied=4)), 0)])
    assert partition.state.applied == 9
    partition.restore([(b"acme:L1", None, 0)])
    partition.restore([(b"acme:L1", None, 0)])
    assert len(partition.table) == 0


# -- the feature table


def test_rows_of_forgotten_leads_are_used_again_and_clean() -> None:
    """Memory follows the number of leads, also past the first capacity."""
    table = FeatureTable(capacity=2)
    rows = [table.row_of(f"acme:L{i}".encode()) for i in range(5)]
    assert rows == [0, 1, 2, 3, 4]
    table.rows["events"][3] = 8
    table.forget(b"acme:L3")
    assert table.row_of(b"acme:new") == 3
    assert (int(table.rows["events"][3]), int(table.rows["guard"][3])) == (0, -1)
    assert len(table) == 5
    assert table.due[3] == np.inf


def test_waves_keep_each_leads_order() -> None:
    """No lead twice in a wave; all positions once; a lead's positions rise."""
    rows = np.array([3, 1, 3, 3, 2, 1])
    found = waves(rows)
    assert [sorted(w.tolist()) for w in found] == [[0, 1, 4], [2, 5], [3]]
    assert waves(np.zeros(0, np.int64)) == []


def test_counters_fade_by_their_half_lives_and_a_duplicate_adds_nothing() -> None:
    """After one, seven and thirty days a counter of that half-life stands at one half."""
    table = FeatureTable()
    row = table.row_of(b"acme:L1")
    day = 86_400.0
    for at, mark in ((0.0, 1), (0.0, 1), (7 * day, 2)):
        batch = Batch([row], [1e9 + at], [Family.INTENT], [True], [0], [float("nan")], [mark], [True])
        fold_wave(table, batch, np.array([0]))
    assert table.rows["counts"][row, Family.INTENT] == pytest.approx([1 + 2**-7, 1.5, 1 + 2 ** (-7 / 30)], rel=1e-6)
    assert int(table.rows["events"][row]) == 2
    assert int(table.rows["ring_at"][row]) == 2


def test_what_does_not_count_leaves_only_its_mark() -> None:
    """Receipts and orders take part in recognising duplicates, and in nothing else."""
    table = FeatureTable()
    row = table.row_of(b"acme:L1")
    before = table.rows[row].copy()
    batch = Batch([row], [1e9], [0], [False], [0], [float("nan")], [77], [False])
    assert fold_wave(table, batch, np.array([0]))[1].tolist() == [True]
    assert fold_wave(table, batch, np.array([0]))[1].tolist() == [False]
    after = table.rows[row].copy()
    assert (int(after["ring"][0]), int(after["ring_at"])) == (77, 1)
    after["ring"], after["ring_at"] = before["ring"], before["ring_at"]
    assert after.tobytes() == before.tobytes()


def test_every_feature_has_a_family_and_a_direction() -> None:
    """So that it can be told, and constrained."""
    assert set(FAMILY_OF) == set(NAMES) == set(COLUMN)
    assert len(NAMES) == len(set(NAMES)) == len(MONOTONE)
    assert set(MONOTONE) <= {-1, 0, 1}


@pytest.mark.parametrize(
    ("gaps", "at_least", "at_most"), [(0.0, 0.0, 0.1), (2.0, 0.2, 0.4), (4.0, 0.5, 0.7), (7.0, 0.7, 0.9)]
)
def test_the_rule_scorer_means_what_its_docstring_says(gaps: float, at_least: float, at_most: float) -> None:
    """Silence of 2 gaps is about 0.3, of 4 about 0.6, of 7 about 0.8, before the other terms; no rhythm yet: 7 days."""
    x = np.full((1, len(NAMES)), np.nan)
    x[0, COLUMN["silent_days"]], x[0, COLUMN["usual_gap_days"]], x[0, COLUMN["key_events"]] = gaps * 7, 3.0, 0
    p = RuleScorer().score(x)
    assert at_least <= p[0] <= at_most
    effects = RuleScorer().effects(x)[0]
    assert float(sigmoid(np.array(effects.sum() - 3.2))) == pytest.approx(float(p[0]))


def test_what_the_fold_tallies_is_for_metrics() -> None:
    """Events, duplicates, unknown leads and watching are counted."""
    body: dict[str, Any] = {
        "type": "item_viewed",
        "id": "e",
        "tenant": "acme",
        "lead": "L1",
        "at": START.isoformat(),
        "item": "x",
    }
    receipt = {**body, "type": "receipt", "lead": "L2", "intervention": "i", "channel": "email", "status": "opened"}
    off: dict[str, Any] = {"type": "activate", "id": "off", "partition": 0, "at": START.isoformat(), "acting": False}
    order = {**body, "id": "o", "type": "trigger_intervention", "stage": "active_risk", "by": "kim"}
    log = [message(i, b, START) for i, b in enumerate((body, body, receipt, off, order))]
    done = fold(Partition(0), log, env())
    assert done.tally["events", "item_viewed"] == 2
    assert done.tally["duplicates",] == 1
    assert done.tally["unknown_lead", "receipt"] == 1
    assert done.tally["order", "only_watching"] == 1
    assert {json.loads(o.value or b"")["type"] for o in done.outputs} == {"lead_assessed"}
    assert instant(0).isoformat() == "1970-01-01T00:00:00+00:00"
