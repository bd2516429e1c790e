"""`make mutants`: takes out one safeguard after another and shows which fault catches it.

    python -m tests.chaos.hunt [--only NAME]

Each scenario is played with the real code first, and again for each further try that a mutant needs, and must be clean every
time. Ends with 1 if a mutant survives or the real code does not come through.
"""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.brokers import FORCE, Broker, BrokerChoice
from tests.chaos.mutants import MUTANTS
from tests.chaos.told import never_struck, what_is_wrong
from tests.faults import nemesis
from tests.faults.run import SEED, Outcome, Run, play
from tests.faults.verdict import DEADLY

SMALL = Run(events=6_000, seconds=12.0, couriers=(), patience_s=60.0)
AMNESIA = replace(
    SMALL,
    couriers=("email",),
    lives={"email": ("amnesia-at:after_provider_call:5",)},
    settings={"LEADKEEPER_DOUBT_PAUSE_S": "1"},
    patience_s=90.0,
)


@dataclass(frozen=True)
class Scenario:
    """A fault and the run that has it."""

    fault: str
    run: Run


LOST_FETCHES = Scenario("fetched records get lost", replace(SMALL, troubles={"lead-": (f"drop-fetches:{SEED}",)}))
CRASH_AFTER_STATE = Scenario(
    "crashes after a state was written", replace(SMALL, lives={"lead-": ("fail-at:after_state:8",) * 4})
)
MANY_AGAIN = Scenario(
    "crash, and 5 s of records come again",
    replace(
        SMALL, leads=20, lives={"lead-": ("fail-at:after_state:20",)}, settings={"LEADKEEPER_COMMIT_INTERVAL_S": "5"}
    ),
)  # fmt: skip
STUCK_CHANGELOG = Scenario(
    "the changelog is stuck, then a crash", replace(SMALL, lives={"lead-": ("hang-at:before_state:20",)})
)
ZOMBIE = Scenario(
    "paused between outputs and state, wakes up later",
    replace(SMALL, seconds=25.0, lives={"lead-1": ("stop-at:after_output:20",)}, wake_at_end=True),
)
POISON = Scenario(
    "a record ends the process", replace(SMALL, lead_agents=1, faults=(nemesis.poison,), troubles={"lead-": (DEADLY,)})
)
WORST_MOMENT = Scenario("crash after a provider call, Redis empty", AMNESIA)

CATCHES: dict[str, Scenario] = {
    "stock-consumer": LOST_FETCHES,
    "no-gap-guard": LOST_FETCHES,
    "no-changelog-barrier": STUCK_CHANGELOG,
    "state-before-outputs": CRASH_AFTER_STATE,
    "no-offset-guard": MANY_AGAIN,
    "lease-off": ZOMBIE,
    "no-claimed": WORST_MOMENT,
    "redis-only-ledger": WORST_MOMENT,
    "no-crash-notes": POISON,
}
"""The smallest fault that should catch each mutant."""
CLEAN = "clean"
TRIES = 3
"""What a mutant spoils may be made good by what comes later: on a busy machine faults strike at other moments."""
NEVER_ENDS = frozenset({"no-crash-notes"})
"""Of these it is the fault that they never come to an end."""


def with_mutant(run: Run, mutant: str) -> Run:
    """The same run with a safeguard taken out of every worker, for all its life."""
    return replace(run, troubles={**run.troubles, "": (mutant,)})


def main() -> int:
    """Hunt them all, or those asked for; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(MUTANTS), action="append", help="may be given several times")
    wanted = parser.parse_args().only or list(CATCHES)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # told anyway: clients that wait for fresh topics
    console = Console()
    table = Table("mutant", "fault", "real code", "what was wrong with the mutant")
    bad = 0
    with ExitStack() as cleanup:
        broker = BrokerChoice(os.environ.get(FORCE, "")).start(cleanup)
        console.print(f"broker: {broker.kind} at {broker.bootstrap}")
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="leadkeeper-mutants-")))
        real: dict[str, str] = {}
        for mutant in wanted:
            scenario = CATCHES[mutant]
            wrong = ""
            for number in range(TRIES):
                if number or scenario.fault not in real:
                    outcome = _play(broker, folder, f"real-{mutant}-{number}", scenario.run)
                    unseen = never_struck(outcome, scenario.run)
                    told = what_is_wrong(outcome) or (f"never struck: {unseen}" if unseen else CLEAN)
                    console.print(f"real code, {scenario.fault}: {told}")
                    real[scenario.fault] = told if real.get(scenario.fault, CLEAN) == CLEAN else real[scenario.fault]
                outcome = _play(broker, folder, f"{mutant}-{number}", with_mutant(scenario.run, mutant))
                ended = not outcome.left or mutant in NEVER_ENDS  # a mutant that only does not run proves nothing
                if ended and not never_struck(outcome, scenario.run) and (wrong := what_is_wrong(outcome)):
                    break
            console.print(f"{mutant}, {scenario.fault}: {wrong or 'SURVIVED'}")
            table.add_row(mutant, scenario.fault, real[scenario.fault], wrong or "SURVIVED")
            bad += real[scenario.fault] != CLEAN or not wrong
    console.print(table)
    return int(bad > 0)


def _play(broker: Broker, folder: Path, name: str, run: Run) -> Outcome:
    place = folder / name
    place.mkdir()
    return asyncio.run(play(broker, place, run))


if __name__ == "__main__":
    sys.exit(main())
