"""How to get through to a lead: what is known is said with its numbers, what is not is said to be unknown."""

from datetime import timedelta
from typing import Any

import pytest

from schemas.events import EVENT, Activity
from schemas.units import Channel
from schemas.weights import Answered
from streams.contacting import Most, contacting, in_words
from streams.record import Planned, Profile
from tests.unit.test_bandit import NOW, tracked_row

TOKYO = "Asia/Tokyo"


def _event(n: int, **fields: Any) -> Activity:
    at = NOW - timedelta(days=n + 1, hours=-6)  # 06:00 UTC: 15:00 in Tokyo
    body = {
        "v": 1,
        "id": f"e{n}",
        "tenant": "acme",
        "lead": "L1",
        "at": at.isoformat(),
        "type": "item_viewed",
        "item": "x",
    }
    return EVENT.validate_python(body | fields, strict=False)  # type: ignore[return-value]


def _sent(n: int, channel: str, status: str, **fields: Any) -> Any:
    return tracked_row(f"L1-{channel}{n}", 10 + n, channel=channel, status=status, **fields)


def test_nothing_is_made_up_of_nothing() -> None:
    found = contacting([_event(n) for n in range(39)], [], {}, Profile(), TOKYO, [], {}, {})
    assert (found.hour, found.day, found.best, found.tone, found.content, found.next) == (None,) * 6
    lines = in_words("acme:L1", NOW, TOKYO, found)
    assert sum("not enough data" in line for line in lines) == 6
    assert any(line.endswith("(39 of 40 signs of life in 90 days)") for line in lines)


def test_what_is_known_is_told_with_its_numbers() -> None:
    events = [_event(n) for n in range(44)]
    events += [_event(50 + n, type="message_received", channel="email", mood=0.9) for n in range(3)]
    events += [_event(60, type="call_completed", outcome="no_answer", at=NOW.isoformat())]
    rows = [_sent(n, "email", "opened") for n in range(4)]
    rows += [_sent(n, "in_app", "clicked", outcome="re_engaged") for n in range(3)]
    rows += [
        _sent(9, "email", "bounced"),
        _sent(8, "email", "sending", final=False),
        _sent(7, "email", "clicked", arm="holdout"),
    ]
    templates = {row.intervention: f"x.{row.channel}" for row in rows}
    planned = [
        Planned(1, "later", Channel.EMAIL, NOW.timestamp() + 7200, 2e9),
        Planned(1, "unsure", Channel.EMAIL, 0, 2e9, waits=True),
    ]
    profile = Profile(preferred_channel="sms")
    found = contacting(
        events, rows, templates, profile, TOKYO, planned, {}, {("early_warning", "note"): "market_update"}
    )
    assert found.hour == Most("15:00", 47, 48)
    assert found.day
    assert found.day.n < 12
    assert (found.best, found.preferred, found.tone) == (Channel.IN_APP, "sms", "warm")
    assert found.content == Most("x.in_app", 3, 3)
    assert found.kind == Most("market_update", 3, 7)
    email = found.ways[Channel.EMAIL]
    assert (email.sent, email.opened, email.clicked, email.replied) == (4, 4, 0, 0), "an open is no answer"
    assert email.rate == pytest.approx(1 / 6)
    assert 0 < email.low < email.rate < email.high < 0.6
    assert (found.calls, found.wrote) == ({"no_answer": 1}, {"email": 3})
    lines = in_words("acme:L1", NOW, TOKYO, found)
    assert lines[-1] == "next contact   later by email, 2026-03-01 02:00 UTC at the earliest"
    assert all(len(line) <= 80 for line in lines), "\n".join(lines)


def test_what_its_stage_answers_is_mixed_in() -> None:
    rows = [_sent(n, "email", "opened") for n in range(4)]
    known = {Channel.EMAIL: Answered(messages=900, rate=0.5)}
    alone, among = (contacting([], rows, {}, Profile(), "UTC", [], k, {}).ways[Channel.EMAIL] for k in ({}, known))
    assert among.rate == pytest.approx((5 + 1) / (14 + 2))
    assert among.high - among.low < alone.high - alone.low
