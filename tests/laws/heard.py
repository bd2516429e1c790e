"""What a history has led to so far, so that it can go on from there: receipts of what was sent, answers to what was asked."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.decisions import Rule
from schemas.topics import ESCALATIONS
from streams.env import Env
from streams.lead import Message, Partition, fold


@dataclass
class Heard:
    """Ids of one lead, the newest last."""

    sent: list[tuple[str, str]] = field(default_factory=list)
    """Interventions, with their channel."""
    asked: list[str] = field(default_factory=list)
    """Interventions that wait for a person's yes."""
    escalations: list[str] = field(default_factory=list)


class Listener:
    """Folds a log as it grows, only as far as somebody asks."""

    def __init__(self, world: Env) -> None:
        """Begin with nothing."""
        self._world, self._partition, self._folded = world, Partition(0), 0
        self._heard: defaultdict[tuple[str, str], Heard] = defaultdict(Heard)

    def of(self, who: tuple[str, str]) -> Heard:
        """What is known of a lead (tenant, lead)."""
        return self._heard[who]

    def listen(self, log: Sequence[Message]) -> None:
        """Take in what the log led to since it was asked last."""
        for out in fold(self._partition, log[self._folded :], self._world).outputs:
            if out.headers or not (told := json.loads(out.value or b"{}")).get("lead"):
                continue
            heard = self._heard[told["tenant"], told["lead"]]
            if told["type"] == "deliver_intervention":
                heard.sent.append((told["id"], told["channel"]))
            elif told.get("rule") == Rule.APPROVAL and told["verdict"] == "deferred":
                heard.asked.append(told["intervention"])
            elif out.topic == ESCALATIONS.name and told["status"] == "open":
                heard.escalations.append(told["id"])
        self._folded = len(log)
