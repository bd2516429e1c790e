"""What an outcome says, in few words."""

from collections.abc import Iterable

from agents.safety import ExitCode
from tests.faults.nemesis import NOTHING_MET
from tests.faults.run import Outcome, Run

MOST_MIB = 1_536
"""That a worker may hold, whatever happens."""
MOST_PAUSE_S = 180.0
"""That a partition may stand still, whatever happens: by then nobody may be left who only seems to work."""


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
    missing += [line for line in outcome.done if line.endswith(NOTHING_MET)]
    if outcome.strikes < len(run.faults):
        missing.append(f"{len(run.faults) - outcome.strikes} faults")
    # Who was paused for twice its session ends as soon as it wakes up, or was killed meanwhile.
    paused, killed = (sum(done.startswith(what) for done in outcome.done) for what in ("pause ", "kill lead-"))
    if (ended := outcome.exited("lead-", ExitCode.ZOMBIE)) + killed < paused:
        missing.append(f"pauses that cost the partitions: {ended} of {paused}")
    if run.couriers and not outcome.calls.seen:
        missing.append("a message at a provider")
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
        "messages given up without a reason": len(calls.refused),
        "dead letters too many or too few": outcome.mislaid,
        f"s of standstill (limit {MOST_PAUSE_S:.0f})": int(outcome.pause_s) if outcome.pause_s > MOST_PAUSE_S else 0,
        f"MiB held by a worker (limit {MOST_MIB})": int(outcome.peak_mib) if outcome.peak_mib > MOST_MIB else 0,
    }
    return ", ".join(f"{number:,} {what}" for what, number in found.items() if number)
