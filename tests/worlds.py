"""What tests fold with: policies, an environment, and messages made from plain dictionaries."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from streams.env import EVERYONE, Env
from streams.holdout import held_out
from streams.lead import Message, Out, Partition, fold
from streams.policy import Policy, parse_policy
from streams.replay import replay
from streams.risk import RuleScorer
from streams.story import merged

ROOT = Path(__file__).parents[1]
POLICY_FILE = ROOT / "deploy" / "policies" / "real_estate.toml"
_BLAST_RADIUS = "blast_radius = { leads = 200, within_hours = 24 }"


def for_crowds(text: str) -> str:
    """The text of that policy, for traffic with more leads in a day than an office has: nobody is asked about a crowd."""
    assert _BLAST_RADIUS in text
    return text.replace(_BLAST_RADIUS, "")


START = datetime(2026, 1, 5, 15, tzinfo=UTC)
"""A Monday, 10:00 in New York: outside of anybody's quiet hours there."""


def policy(changes: Mapping[str, Any] | None = None) -> Policy:
    """The default policy, with some keys changed: nested dictionaries are merged, journey and campaigns are replaced.

    Offers and experiments are only those that are named: what a lead is drawn for is no matter of most tests.
    """
    base, changed = tomllib.loads(POLICY_FILE.read_text()), changes or {}
    left_out = {"journey", "campaigns"} & set(changed) | {"offers", "experiments"}
    kept = {key: value for key, value in base.items() if key not in left_out}
    return parse_policy(merged(kept, changed), "test policy")


def env(default: Policy | None = None, **tenants: Policy) -> Env:
    """One version of policies, and the rule scorer."""
    return Env({"": {EVERYONE: default or policy(), **tenants}}, {"": RuleScorer()})


def message(offset: int, body: Mapping[str, Any] | bytes, received: datetime, key: bytes | None = None) -> Message:
    """An inbox record: a body as JSON under its own key, or raw bytes."""
    if isinstance(body, bytes):
        return Message(offset, _ms(received), b"acme:garbage" if key is None else key, body)
    own = f"{body['tenant']}:{body['lead']}".encode() if "lead" in body else b"@tick"
    return Message(offset, _ms(received), own if key is None else key, json.dumps({"v": 1, **body}).encode())


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def trace(log: Iterable[Message], world: Env) -> list[tuple[Message, list[Out]]]:
    """What each message led to, one message a round."""
    partition = Partition(0)
    return [(m, fold(partition, [m], world).outputs) for m in log]


def outputs(log: Iterable[Message], world: Env) -> list[dict[str, Any]]:
    """All outputs as dictionaries, with their topic."""
    return [{"topic": o.topic, **json.loads(o.value or b"")} for o in replay({0: log}, world).outputs if not o.headers]


@cache
def lead_named(prefix: str, *, tenant: str, out: bool, share: float = 0.05, salt: str = "holdout-1") -> str:
    """The first lead id with this prefix that is (or is not) held out."""
    rule = policy({"holdout": {"share": share, "salt": salt}}).holdout
    return next(lead for i in range(10_000) if held_out(rule, tenant, lead := f"{prefix}{i}") is out)
