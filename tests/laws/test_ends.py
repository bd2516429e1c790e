"""Whose data it is, and that all of it ends."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from hypothesis import example, given

from streams.lead import Message
from streams.replay import Replayed, replay
from streams.state import PARTITION_KEY, decode_lead, decode_record
from tests.laws.histories import KNOWN, MODEST, SPACING, build, histories
from tests.laws.world import ENV, LEADS
from tests.worlds import START, message


@MODEST
@given(log=histories())
def test_the_same_lead_id_in_another_tenant_has_no_influence(log: list[Message]) -> None:
    """What one tenant gets does not change when the other tenant's messages are about somebody else."""
    assert LEADS[0][1] == LEADS[1][1]
    whole = replay({0: log}, ENV)
    for tenant in (b"acme:", b"busy:"):
        alone = replay({0: [m if (m.key or b"").startswith((tenant, b"@")) else _by_a_stranger(m) for m in log]}, ENV)
        assert _of(whole, tenant) == _of(alone, tenant)


def _by_a_stranger(m: Message) -> Message:
    """A message at the same time, as stream time is shared, of a third tenant."""
    try:
        at = json.loads(m.value or b"")["at"]
    except (ValueError, KeyError, TypeError):
        return m
    return message(
        m.offset,
        {"type": "page_viewed", "id": f"s{m.offset}", "tenant": "other", "lead": "S", "at": at},
        datetime.fromtimestamp(m.timestamp_ms / 1000, START.tzinfo),
    )


def _of(result: Replayed, tenant: bytes) -> object:
    """Outputs in the order of each lead (between leads a tick promises none: they take each other's places), and state."""
    state = {k: v for k, v in result.state[0].items() if k.startswith(tenant)}
    outputs = [o for o in result.outputs if not o.headers and (o.key or b"").startswith(tenant)]
    return sorted(outputs, key=lambda o: o.key or b""), state


@MODEST
@given(log=histories())
def test_an_erased_lead_leaves_no_state(log: list[Message]) -> None:
    """After an erasure of all leads, whatever receipts and orders still come: only the partition's marker remains."""
    at = datetime.fromtimestamp(log[-1].timestamp_ms / 1000, START.tzinfo)
    offset = log[-1].offset
    late: list[Message] = []
    for tenant, lead in LEADS:
        about = {"tenant": tenant, "lead": lead, "at": at.isoformat()}
        for body in (
            {"type": "erase_lead", "by": "kim"},
            {"type": "receipt", "intervention": "int-x", "channel": "email", "status": "bounced"},
            {"type": "acknowledge_escalation", "escalation": "esc-x", "by": "kim"},
            {"type": "resolve_escalation", "escalation": "esc-x", "by": "kim", "outcome": "done"},
            {"type": "cancel_interventions", "by": "kim"},
        ):
            offset += SPACING
            late.append(message(offset, {**about, "id": f"z{offset}", **body}, at))
    assert set(replay({0: [*log, *late]}, ENV).state[0]) == {PARTITION_KEY}


@MODEST
@given(log=histories())
@example(log=build([*KNOWN, ("activity", 0, 0), ("consent", 0, 0), ("escalate", 0, 0), ("off", 0, 0)]))
def test_all_state_ends(log: list[Message]) -> None:
    """Three years later only refusals are left (opt-outs, addresses that bounced), and no open matter in them."""
    at = datetime.fromtimestamp(log[-1].timestamp_ms / 1000, START.tzinfo)
    ticks = [
        message(
            log[-1].offset + SPACING * day,
            {"type": "tick", "id": f"end{day}", "partition": 0, "at": (at + timedelta(days=day)).isoformat()},
            at + timedelta(days=day),
        )
        for day in range(1, 3 * 365, 5)
    ]
    left = replay({0: [*log, *ticks]}, ENV).state[0]
    assert _opted_out(log) <= set(left), "a refusal is never forgotten"
    for key, value in left.items():
        if key == PARTITION_KEY:
            continue
        row, data = decode_lead(value)
        assert data is not None
        record = decode_record(data)
        assert record.suppressed or False in record.consent.values()
        assert record.episode is None
        assert not record.open_interventions()
        assert row["due"] > (at + timedelta(days=3 * 365)).timestamp(), "nobody has to look at it again"


def _opted_out(log: list[Message]) -> set[bytes]:
    """Leads whose last word on some channel is no, by reading the log."""
    refused: dict[bytes, set[str]] = {}
    for m in log:
        told = json.loads(m.value or b"") if (m.value or b"").startswith(b'{"v": 1, "id": "e') else {}
        match told.get("type"):
            case "erase_lead":
                refused.pop(m.key or b"", None)
            case "consent_changed" if told["allowed"]:
                refused.setdefault(m.key or b"", set()).discard(told["channel"])
            case "consent_changed":
                refused.setdefault(m.key or b"", set()).add(told["channel"])
    return {key for key, channels in refused.items() if channels}
