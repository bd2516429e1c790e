"""All that a lead is drawn for by one step: its words, its channel, its hour, its offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.channel_choice import choice
from streams.offering import offered
from streams.send_time import hour_of
from streams.variants import worded

if TYPE_CHECKING:
    from streams.plays import Step
    from streams.record import Draw, Planned
    from streams.rules import Case


def draws_of(case: Case, step: Step, planned: Planned) -> list[Draw]:
    """What the lead is drawn for, of all that this step is part of."""
    words, way = worded(case, step, planned.channel), choice(case, step, planned.stage)
    hour, gift = hour_of(case, step, planned), offered(case, step, planned.stage)
    return [draw for draw in (words.draw, way.draw, hour and hour.draw, gift and gift.draw) if draw]
