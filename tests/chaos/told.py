"""What an outcome says, in few words."""

from tests.faults.run import Outcome

MOST_MIB = 1_536
"""That a worker may hold, whatever happens."""


def struck(outcome: Outcome) -> bool:
    """Whether any fault struck at all."""
    return bool(outcome.done or outcome.dropped)


def what_is_wrong(outcome: Outcome) -> str:
    """All that an engine that keeps its promise does not do; empty for a clean run."""
    if outcome.left:
        return f"never came to an end: {outcome.left:,} records or commands were left, so nothing can be said of losses"
    verdict, calls = outcome.verdict, outcome.calls
    found = {
        "lost": verdict.missing.total() + len(calls.lost),
        "under a strange id": verdict.alien.total() + len(calls.strange),
        "changed": verdict.changed.total(),
        "wrong states": verdict.wrong_states,
        "messages sent twice": len(calls.doubled),
        "dead letters too many or too few": outcome.mislaid,
        f"MiB held by a worker (limit {MOST_MIB})": int(outcome.peak_mib) if outcome.peak_mib > MOST_MIB else 0,
    }
    return ", ".join(f"{number:,} {what}" for what, number in found.items() if number)
