"""What is said of a storm: one whose faults met nobody, or after which nobody was written to, is no success."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.safety import ExitCode
from tests.chaos.soak import Part, verdicts
from tests.chaos.told import never_struck, what_is_wrong
from tests.faults.logs import Logs
from tests.faults.nemesis import Fault, Undo, kill, met, pause
from tests.faults.run import Outcome, Run
from tests.faults.strikes import Strikes
from tests.faults.verdict import Calls, Verdict, judge_calls
from tests.faults.world import World

GOOD = Outcome(
    left=0,
    verdict=Verdict(Counter(), Counter(), Counter(), Counter(), 0),
    calls=Calls(set(), set(), set(), set(), 7, Counter(sent=7)),
    records=100,
    strikes=2,
    done=["pause lead-1", "kill lead-2"],
    exits={("lead-1", int(ExitCode.ZOMBIE)): 1},
    dropped=0,
    tried_again=0,
    pause_s=1.0,
    mislaid=0,
    fed_s=10.0,
    settled_s=1.0,
    peak_mib=100.0,
)
RUN = Run(faults=(pause, kill))


def test_a_storm_in_which_all_was_seen_to_strike_is_one() -> None:
    assert (never_struck(GOOD, RUN), what_is_wrong(GOOD)) == ("", "")


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (replace(GOOD, strikes=1), "1 faults"),
        (replace(GOOD, done=["pause lead-1"], exits={}), "pauses that cost the partitions: 0 of 1"),
        (replace(GOOD, done=[met("slow redis", 0)]), "slow redis, met nothing"),
        (replace(GOOD, calls=replace(GOOD.calls, seen=0)), "a message at a provider"),
    ],
)
def test_a_fault_without_effect_is_none(outcome: Outcome, said: str) -> None:
    assert never_struck(outcome, RUN) == said


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (replace(GOOD, calls=replace(GOOD.calls, refused={"int-1"})), "1 messages given up without a reason"),
        (replace(GOOD, pause_s=200.0), "200 s of standstill (limit 180)"),
        (replace(GOOD, mislaid=2), "2 dead letters too many or too few"),
    ],
)
def test_what_nobody_was_told_to_do_is_wrong(outcome: Outcome, said: str) -> None:
    assert what_is_wrong(outcome) == said


def test_commands_given_up_count_where_the_provider_was_not_told_to_refuse_any() -> None:
    logs = Logs("", "", 1, committed=False)
    logs.commands = {"email": {"int-1", "int-2"}}
    logs.ledger = {name: {"state": "rejected", "in_doubt_resends": 0} for name in ("int-1", "int-2")}
    seen = {"email": Counter[str]()}
    found = judge_calls(logs, seen, ["email"], redis_forgot=False)
    assert (found.refused, found.ended, found.clean) == ({"int-1", "int-2"}, {"rejected": 2}, False)
    assert judge_calls(logs, seen, ["email"], redis_forgot=False, refusing={"email"}).clean
    assert Run(mail_faults="drop=0.1,never=0.02", webhook_faults="drop=0.1").refusing() == {"email"}


def test_soak_tells_who_grows_but_not_while_workers_warm_up() -> None:
    """Six parts of five minutes, a sample each: MiB of a lead agent, of a courier that may remember its mails."""
    flat = _parts(lead=0.0, email=0.5)
    assert verdicts(flat, ended=True, minutes=30) == []
    assert verdicts(_parts(lead=2.0, email=0.5), ended=True, minutes=30) == [
        "lead-1 grows by 24 MiB an hour (limit 12)"
    ]
    assert verdicts(_parts(lead=2.0, email=0.5), ended=True, minutes=1) == []
    late = [*flat[:4], *(replace(part, p50_ms=100.0) for part in flat[4:])]
    assert verdicts(late, ended=True, minutes=30) == ["latency rose from 10.0 to 100.0 ms"]
    assert verdicts([replace(flat[0], waiting=2_001), *flat[1:]], ended=True, minutes=30) == [
        "2,001 events waited at 1,000/s"
    ]


def _parts(lead: float, email: float) -> list[Part]:
    held = [{"lead-1": 140.0 + lead * n, "email": 100.0 + email * n} for n in range(6)]
    return [Part(1_000.0, 10.0, 20.0, 0, 0.0, rss, [(300.0 * n, rss)]) for n, rss in enumerate(held)]


class _Nobody(World):
    """No process at all."""

    def __init__(self) -> None:
        self.done = []

    def replace_dead(self) -> None:
        pass


def _lasting(name: str) -> Fault:
    def fault(world: World, _: random.Random) -> Undo:
        world.done.append(name)
        return 0.1, lambda: world.done.append(f"{name} is over")

    return fault


def _sudden(world: World, _: random.Random) -> None:
    world.done.append("sudden")


def test_two_faults_of_a_kind_never_strike_at_the_same_time() -> None:
    """The second waits until the first is over; one of another kind does not."""
    assert _struck(lambda: (_lasting("first"), _lasting("second"), _sudden)) == [
        "first", "sudden", "first is over", "second", "second is over",
    ]  # fmt: skip


def _struck(faults: Callable[[], tuple[Fault, ...]]) -> list[str]:
    world = _Nobody()

    async def run() -> int:
        strikes = Strikes(world, random.Random(1))
        for fault in faults():
            strikes.due(fault)
        await strikes.rest()
        return strikes.struck

    assert asyncio.run(run()) == len(faults())
    return world.done
