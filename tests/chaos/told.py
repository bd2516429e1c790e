"""What an outcome says, in few words."""

from collections.abc import Iterable

from tests.faults.run import Outcome, Run

MOST_MIB = 1_536
"""That a worker may hold, whatever happens."""


def never_struck(outcome: Outcome, run: Run, must: Iterable[str] = ()) -> str:
    """What of the run's faults was not seen to strike; empty: all of it was.

    `must`: what has to stand in `Outcome.done` besides the moments of failpoints and the wrong clocks of the run.
    """
    wanted = [*must, *(line for lives in run.lives.values() for life in lives if (line := _line(life)))]
    missing = [line for line in dict.fromkeys(wanted) if not any(done.startswith(line) for done in outcome.done)]
    if any(trouble.startswith("drop-fetches") for some in run.troubles.values() for trouble in some):
        missing += [] if outcome.dropped else ["lost fetches"]
    if run.mail_faults or run.webhook_faults:
        missing += [] if outcome.tried_again else ["a provider that failed"]
    if run.faults and not outcome.done:
        missing.append("any fault")
    return ", ".join(missing)


def _line(life: str) -> str:
    """What a worker says when the trouble of one of its lives strikes."""
    name, _, rest = life.partition(":")
    return f"failpoint {name} {rest}" if name == "clock" else f"failpoint {rest.partition(':')[0]}"


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
