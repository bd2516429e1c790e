"""What an outcome says, in few words."""

from tests.faults.run import Outcome


def what_is_wrong(outcome: Outcome) -> str:
    """All that an engine that keeps its promise does not do; empty for a clean run."""
    verdict, calls = outcome.verdict, outcome.calls
    found = {
        "lost": verdict.missing.total() + len(calls.lost),
        "under a strange id": verdict.alien.total() + len(calls.strange),
        "changed": verdict.changed.total(),
        "wrong states": verdict.wrong_states,
        "messages sent twice": len(calls.doubled),
    }
    said = [f"{number:,} {what}" for what, number in found.items() if number]
    if not outcome.settled:
        said.append("never came to an end")
    return ", ".join(said)
