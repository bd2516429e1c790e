"""What a courier counts; metrics read it."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class CourierStats:
    """Plain counters since the start of the process.

    Attributes:
        ended: Finished commands by ledger state (`sent`, `rejected`, `unknown`, `expired`, `suppressed`).
        answers: Provider's answers by kind (`sent`, `refused_permanent`, `refused_transient`, `in_doubt`, `fenced`).
        in_doubt: Times nobody knew whether a message went out.
        receipts_repeated: Receipts told once more for a command that came again.
        parked: Commands put off by reason (`quiet_hours`, `catching_up`, `redis_down`).
        dead_letters: Records that were no usable command, by reason.
        waiting: Deliveries that wait for their time, now.
        call_seconds: Time spent in provider calls, all together.
    """

    ended: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    in_doubt: int = 0
    receipts_repeated: int = 0
    parked: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    call_seconds: float = 0.0
