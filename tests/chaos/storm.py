"""`make chaos`: every fault of the table, on Apache Kafka, against the sequential oracle.

    python -m tests.chaos.storm [--scale 0.1] [--only "kill -9" --only pauses] [--seed 7] [--exactly-once]

Ends with a table, and with 1 if anything was lost, doubled or wrong. `--scale` makes runs and numbers of faults smaller.
With `--exactly-once` the workers write in transactions, and a record that comes again is wrong too.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.chaos import wrong_clock
from tests.chaos.stage import Stage, open_stage
from tests.chaos.told import never_struck, what_is_wrong
from tests.faults import nemesis
from tests.faults.nemesis import Fault
from tests.faults.run import SEED, Outcome, Run, play
from tests.faults.verdict import DEADLY
from tests.faults.world import TRIPPED

BIG = Run(events=300_000, leads=20_000, seconds=300.0, patience_s=300.0)
MIDDLE = Run(events=60_000, leads=4_000, seconds=100.0, patience_s=300.0)
SOON = {"LEADKEEPER_DOUBT_PAUSE_S": "1", "LEADKEEPER_SMTP_TIMEOUT_S": "2"}
LEAD_MOMENTS = {
    "before_output": 20, "after_output": 20, "before_state": 20, "after_state": 20, "before_commit": 3, "after_commit": 3,
}  # fmt: skip
"""And how often each has to come; rounds are many, commits are one a second."""
AT_ONCE_MOMENTS = ("before_output", "after_output", "before_transaction_end", "after_transaction_end") * 2
HOUR_OFF = ("clock:3600", "clock:-3600") * 2
COURIER_MOMENTS = ("before_ledger", "after_claim", "after_fence", "after_provider_call", "after_ledger")


@dataclass(frozen=True)
class Storm:
    """A kind of fault: the run, and the faults that strike in it with how often at full scale.

    `must`: what has to be seen, besides the run's failpoints, clocks, lost fetches and failing providers. `cannot`: why it
    cannot be played here.
    """

    run: Run
    faults: Callable[[Stage], dict[Fault, int]] = lambda _: {}
    must: tuple[str, ...] = ()
    cannot: Callable[[], str] = lambda: ""


STORMS: dict[str, Storm] = {
    "nothing": Storm(MIDDLE),
    "kill -9": Storm(BIG, lambda _: {nemesis.kill_lead: 20, nemesis.kill_courier: 10}),
    "failpoints": Storm(
        replace(
            MIDDLE,
            lives={
                "lead-": tuple(f"fail-at:{moment}:{n}" for moment, n in LEAD_MOMENTS.items()),
                "email": tuple(f"fail-at:{moment}:5" for moment in COURIER_MOMENTS),
                "in_app": tuple(f"fail-at:{moment}:3" for moment in reversed(COURIER_MOMENTS)),
            },
            settings=SOON,
        )
    ),
    "lost fetches": Storm(
        replace(MIDDLE, troubles={"lead-": (f"drop-fetches:{SEED}",)}), lambda _: {nemesis.kill_lead: 4}
    ),
    "poison records": Storm(replace(MIDDLE, troubles={"lead-": (DEADLY,)}), lambda _: {nemesis.poison: 4}),
    "overload": Storm(replace(BIG, seconds=0.0), lambda _: {nemesis.kill: 2}),
    "clocks an hour off": Storm(
        replace(
            MIDDLE, lives={"lead-1": HOUR_OFF, "lead-2": HOUR_OFF[::-1], "email": HOUR_OFF, "in_app": HOUR_OFF[::-1]}
        ),
        lambda _: {nemesis.kill: 8},
        cannot=wrong_clock.missing,
    ),
    "newer build and back": Storm(
        replace(MIDDLE, seconds=150.0),
        lambda _: {nemesis.upgrade: 3, nemesis.kill_lead: 2},
        must=("newer build", "older build again"),
    ),
    "pauses": Storm(replace(MIDDLE, seconds=200.0), lambda _: {nemesis.pause: 6}),
    "rebalances 1-3-1": Storm(replace(MIDDLE, lead_agents=1, seconds=150.0), lambda _: {nemesis.scale_up: 4}),
    "broker restart": Storm(MIDDLE, lambda stage: {stage.restart: 3}),
    "broker kill -9": Storm(MIDDLE, lambda stage: {stage.kill: 3}),
    "broker disk full": Storm(MIDDLE, lambda stage: {stage.fill_disk: 1}),
    "broker read-only": Storm(MIDDLE, lambda stage: {stage.refuse_writes(10.0): 2, stage.refuse_writes(30.0): 1}),
    "connections cut": Storm(replace(MIDDLE, seconds=150.0), lambda stage: {stage.cut(5.0): 2, stage.cut(60.0): 1}),
    "connections reset": Storm(MIDDLE, lambda stage: {stage.resets(0.01, 20.0): 2}),
    "slow network": Storm(MIDDLE, lambda stage: {stage.slow(0.2, 20.0): 1, stage.slow(2.0, 20.0): 1}),
    "dead-letter breaker": Storm(MIDDLE, lambda stage: {stage.garbage(300): 2}, must=(TRIPPED,)),
    "Redis stopped": Storm(replace(MIDDLE, settings=SOON), lambda _: {nemesis.stop_redis(20.0): 3}),
    "Redis flushed": Storm(replace(MIDDLE, settings=SOON), lambda _: {nemesis.flush_redis: 3}),
    "Redis read-only": Storm(replace(MIDDLE, settings=SOON), lambda _: {nemesis.read_only_redis: 2}),
    "Redis slow": Storm(replace(MIDDLE, settings=SOON, redis_proxy=True), lambda _: {nemesis.slow_redis: 2}),
    "providers": Storm(
        replace(
            MIDDLE,
            couriers=("email", "in_app", "webhook"),
            policy_edits={'channel = "agent_alert"': 'channel = "webhook"'},
            mail_faults="drop=0.1,hang=0.01,later=0.05,never=0.02",
            webhook_faults="drop=0.1,hang=0.01,error=0.05,busy=0.05,never=0.02",
            settings=SOON,
        ),
        lambda _: {nemesis.kill: 4},
    ),
}
"""One row of the table each. All traffic has 1 % garbage, 2 % duplicates, 5 % late by up to a day; the overload comes at once."""


def at_once(run: Run) -> Run:
    """The same run with workers that write in transactions; where they have failpoints, those of transactions."""
    lives = dict(run.lives)
    if any(life.startswith("fail-at") for life in lives.get("lead-", ())):
        lives["lead-"] = tuple(f"fail-at:{moment}:8" for moment in AT_ONCE_MOMENTS)
    return replace(run, lives=lives, settings={**run.settings, "LEADKEEPER_EXACTLY_ONCE": "true"})


def scaled(run: Run, scale: float) -> Run:
    """The same run, smaller."""
    seconds = max(20.0, run.seconds * scale) if run.seconds else 0.0
    return replace(
        run, events=max(6_000, int(run.events * scale)), leads=max(400, int(run.leads * scale)), seconds=seconds
    )  # fmt: skip


def row(name: str, outcome: Outcome) -> tuple[str, ...]:
    """What the table says of one storm."""
    verdict, calls = outcome.verdict, outcome.calls
    return (
        name,
        f"{outcome.strikes:,}",
        f"{outcome.records:,}",
        f"{verdict.missing.total() + len(calls.lost):,}",
        f"{verdict.alien.total() + verdict.changed.total() + len(calls.doubled) + len(calls.strange):,}",
        f"{verdict.wrong_states:,}",
        f"{verdict.repeats.total():,}",
        f"{outcome.pause_s:.1f} s",
    )


def main() -> int:
    """Play all storms, or those asked for; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="of traffic and number of faults (default 1)")
    parser.add_argument("--only", choices=STORMS, action="append", help="may be given several times")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--exactly-once", action="store_true")
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own clients, when their broker is killed
    console = Console()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("fault", no_wrap=True)
    for column in ("strikes", "records", "lost", "doubled", "wrong\nstates", "repeats", "longest\npause"):
        table.add_column(column, justify="right", no_wrap=True)
    bad: list[str] = []
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="leadkeeper-chaos-")))
        stage = open_stage(cleanup, folder, given.seed)
        console.print(f"Apache Kafka at {stage.broker.bootstrap}, workers through a proxy, seed {given.seed}")
        for name in given.only or STORMS:
            storm = STORMS[name]
            if why := storm.cannot():
                console.print(f"{name}: not played here: {why}")
                continue
            faults = [f for f, n in storm.faults(stage).items() for _ in range(max(1, round(n * given.scale)))]
            run = scaled(at_once(storm.run) if given.exactly_once else storm.run, given.scale)
            run = replace(run, seed=given.seed, workers_at=stage.proxied, faults=tuple(faults))
            place = folder / name.replace(" ", "-")
            place.mkdir()
            outcome = asyncio.run(play(stage.broker, place, run))
            again = given.exactly_once and outcome.verdict.repeats.total() > 0
            unseen = never_struck(outcome, run, storm.must)
            told = what_is_wrong(outcome) or ("repeats" if again else f"never struck: {unseen}" if unseen else "clean")
            exits = ", ".join(f"{who} {status} x {n}" for (who, status), n in sorted(outcome.exits.items()))
            ends = ", ".join(f"{how} {n:,}" for how, n in sorted(outcome.calls.ended.items()))
            times = (
                f"{outcome.records:,} records sent in {outcome.fed_s:.0f} s, all done {outcome.settled_s:.0f} s later, "
                f"{outcome.verdict.repeats.total()} came again, longest pause {outcome.pause_s:.1f} s, "
                f"{outcome.dropped:,} lost on the way, {outcome.calls.seen:,} messages ({ends}), "
                f"{outcome.tried_again:,} tried again, "
                f"at most {outcome.peak_mib:.0f} MiB"
            )
            console.print(f"{name}: {told}; {times}; {', '.join(outcome.done)}; exits {exits}", highlight=False)
            table.add_row(*row(name, outcome))
            if told != "clean":
                bad.append(f"{name}: {told}")
    console.print(table)
    console.print("\n".join(bad) or "clean: nothing lost, doubled or wrong")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
