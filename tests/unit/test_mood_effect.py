"""What the mood of messages is worth is measured where there are moods, and said not to be where there are none."""

import numpy as np

from agents.logged import LoggedEvent
from agents.model_card import card
from agents.snapshots import ActivityLog
from agents.train import train
from tests.planted import DAYS, LABEL, POLICY, message, planted_log


def grumbling_log() -> list[LoggedEvent]:
    """Leads write once a fortnight, and badly tempered in the last month before they leave."""
    rng, log = np.random.default_rng(5), []
    for lead in range(500):
        leaves = rng.uniform(20, DAYS * 1.6)
        for nth, at in enumerate(np.arange(rng.uniform(0, 14), min(leaves, DAYS), 14.0).tolist()):
            bad = leaves - at < 30
            mood = float(rng.beta(2, 6) if bad else rng.beta(6, 2))
            log.append(message(lead, at, "message_received", nth, mood=mood))
    return sorted(log, key=lambda event: event.at_ms)


def test_where_messages_have_a_mood_its_worth_is_on_the_card() -> None:
    manifest = train(ActivityLog.read(grumbling_log(), POLICY), LABEL).manifest
    assert manifest.tested is not None
    worth = manifest.tested.importance["mood"]
    assert worth > 0.02
    assert f"without it the AUC would lose {worth:.3f}" in card(manifest).replace("\n", " ")


def test_where_none_has_that_is_said() -> None:
    manifest = train(ActivityLog.read(planted_log(), POLICY), LABEL).manifest
    assert manifest.tested is not None
    assert manifest.tested.importance["mood"] == 0
    text = card(manifest)
    assert "what mood is worth was not measured" in text.replace("\n", " ")
    assert max(map(len, text.splitlines())) <= 80
