"""One run: the product's processes, seeded traffic, seeded faults, and what came of it beside the sequential oracle."""

import asyncio
import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from redis.asyncio import Redis

from agents.channels.in_app import read as read_in_app
from agents.policyfile.read import load_policy
from agents.topics import create
from agents.writer import Writer
from schemas import topics
from tests.brokers import Broker, set_configs
from tests.faults.logs import Logs
from tests.faults.nemesis import FORGETS, Fault, upgrade
from tests.faults.strikes import Strikes
from tests.faults.traffic import PARTITIONS, traffic
from tests.faults.verdict import Calls, Verdict, judge, judge_calls, mislaid, oracle
from tests.faults.world import World
from tests.polling import eventually_async

SEED = 20_260_302
NEVER = "never="
"""Of `--fail`: the share of messages that a provider refuses for good."""
OPENING = 6
"""Pieces of the traffic that are sent at once, before the clock starts."""


@dataclass(frozen=True)
class Run:
    """How much traffic, which faults.

    Attributes:
        events: Records in the inbox, about.
        leads: Among so many leads.
        seconds: The traffic is spread over.
        faults: Of `tests.faults.nemesis`; they strike in a seeded order at seeded moments.
        troubles: What is wrong inside workers, all their life, by the beginning of their names (`tests.faults.troubled`).
        lives: One trouble for each life of a worker, the first for the first; after the last it lives without.
        lead_agents: How many at first.
        couriers: Channels served.
        patience_s: At the end, longest wait in which nothing that is left gets applied or delivered.
        settings: Environment of all workers.
        policy_edits: What to replace in the text of the policy, and by what.
        workers_at: Where the workers find the broker, if not where the test does (a proxy).
        redis_proxy: Whether the workers reach Redis through a proxy, which faults may slow down.
        mail_faults: What the mail server does wrong (`deploy.providers.mailbox --fail`).
        webhook_faults: What the webhook receiver does wrong.
        wake_at_end: Whether workers that stopped themselves in their tracks wake up when the traffic has ended.
        seed: Decides all that is left to chance.
    """

    events: int = 20_000
    leads: int = 400
    seconds: float = 45.0
    faults: tuple[Fault, ...] = ()
    troubles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lead_agents: int = 2
    couriers: tuple[str, ...] = ("email", "in_app")
    patience_s: float = 240.0
    settings: Mapping[str, str] = field(default_factory=dict)
    policy_edits: Mapping[str, str] = field(default_factory=dict)
    workers_at: str = ""
    redis_proxy: bool = False
    mail_faults: str = ""
    webhook_faults: str = ""
    wake_at_end: bool = False
    seed: int = SEED

    def refusing(self) -> set[str]:
        """Channels whose provider takes some messages never, as it is told to."""
        return {
            name for name, faults in (("email", self.mail_faults), ("webhook", self.webhook_faults)) if NEVER in faults
        }


@dataclass(frozen=True)
class Outcome:
    """What was left at the end.

    Attributes:
        left: Records that were not applied and commands that had not ended. Judged with some left, what is late looks lost.
        verdict: Output topics and state against the oracle.
        calls: What the providers saw against the ledger.
        records: Records in the inbox.
        strikes: How many faults struck, what workers did to themselves included.
        done: What was done to whom.
        exits: How often each (worker, exit status) was seen.
        dropped: Records that were fetched and lost on the way.
        tried_again: Commands that a provider was asked about more than once.
        pause_s: Longest time without an assessment on any partition while the traffic ran.
        mislaid: Garbage that is no dead letter, and dead letters that are no garbage.
        fed_s: So long the traffic took.
        settled_s: So long after it until all was done.
        peak_mib: Most memory that a worker was seen with.
    """

    left: int
    verdict: Verdict
    calls: Calls
    records: int
    strikes: int
    done: list[str]
    exits: Mapping[tuple[str, int], int]
    dropped: int
    tried_again: int
    pause_s: float
    mislaid: int
    fed_s: float
    settled_s: float
    peak_mib: float

    def exited(self, who: str, status: int) -> int:
        """How often workers whose names begin so ended with a status."""
        return sum(n for (name, with_), n in self.exits.items() if name.startswith(who) and with_ == status)

    @property
    def settled(self) -> bool:
        """Everything was applied, every command has ended."""
        return not self.left

    @property
    def clean(self) -> bool:
        """Nothing lost, doubled or wrong."""
        return self.settled and self.verdict.clean and self.calls.clean and not self.mislaid


async def play(broker: Broker, folder: Path, run: Run) -> Outcome:
    """Play one run on topics of its own and judge it."""
    prefix = f"faults-{folder.name}."
    await create(broker.bootstrap, prefix, PARTITIONS, 1, event_time=True)
    if broker.idempotence:  # pauses are measured by the broker's clock: that of a worker may be wrong
        stamped = {**topics.ASSESSMENTS.config(), "message.timestamp.type": "LogAppendTime", "retention.ms": "-1"}
        await set_configs(broker.bootstrap, {prefix + topics.ASSESSMENTS.name: stamped})
    writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
    await writer.start()
    try:
        async with Logs(broker.bootstrap, prefix, PARTITIONS, committed=broker.idempotence) as logs:
            with World(folder, broker, prefix, run) as world:
                clock = asyncio.get_running_loop().time
                began = clock()
                struck = await _feed(writer, prefix, world, run, logs)
                fed = clock()
                left = await _settle(logs, world, run)
                settled = clock()
                in_app = await _in_app_ids(world.redis_url, run.leads)
                policy = load_policy(world.policy)
                seen = {"email": world.mails(), "in_app": in_app, "webhook": world.webhooks()}
            truth = await asyncio.to_thread(oracle, logs[topics.EVENTS], PARTITIONS, policy)
            return Outcome(
                left,
                judge(truth, logs.outputs, logs[topics.STATE], prefix, newer_build=upgrade in run.faults),
                judge_calls(
                    logs, seen, run.couriers, redis_forgot=FORGETS & set(world.done) != set(), refusing=run.refusing()
                ),
                len(logs[topics.EVENTS]),
                struck + len(world.failed_at()),
                [*world.done, *world.failed_at()],
                world.exits,
                world.dropped(),
                logs.tried_again(),
                longest_pause(logs),
                mislaid(logs),
                fed - began,
                settled - fed,
                world.peak_mib,
            )
    finally:
        await writer.stop()


async def _settle(logs: Logs, world: World, run: Run) -> int:
    """Wait as long as ever less is left to do; returns what is, once none of it was done for the run's patience."""
    clock = asyncio.get_running_loop().time
    least, since = float("inf"), clock()
    while not await logs.settled(run.couriers):
        world.restart_stopped()
        world.replace_dead()
        left = logs.left(run.couriers)
        if left < least:
            least, since = left, clock()
        if clock() - since > run.patience_s:
            return max(left, 1)
    return 0


async def _feed(writer: Writer, prefix: str, world: World, run: Run, logs: Logs) -> int:
    """Send the traffic over some seconds while the faults strike, at moments that the seed chooses; returns how many did.

    The clock starts when the lead agents are at work: faults that strike before are none.
    """
    chance = random.Random(run.seed)
    pieces = list(traffic(prefix, PARTITIONS, events=run.events, leads=run.leads, seed=run.seed))
    faults = list(run.faults)
    chance.shuffle(faults)
    when = dict(zip(sorted(chance.sample(range(OPENING, len(pieces) - 5), len(faults))), faults, strict=True))
    loop = asyncio.get_running_loop()
    for piece in pieces[:OPENING]:
        await writer.produce(piece)
    with contextlib.suppress(AssertionError):  # who cannot even begin is judged at the end
        await eventually_async(logs.begun, timeout=60)
    began = loop.time()
    strikes = Strikes(world, chance)
    step = run.seconds / len(pieces)
    for i, piece in enumerate(pieces[OPENING:], OPENING):
        await writer.produce(piece)
        world.replace_dead()
        if (fault := when.get(i)) is not None:
            strikes.due(fault)
        await strikes.next(step)  # at any moment, not just when a piece has arrived
        await asyncio.sleep(max(0.0, began + run.seconds * i / len(pieces) - loop.time()))  # the pace of the traffic
    await strikes.rest()
    if run.wake_at_end:
        world.wake_all()
    return strikes.struck


def longest_pause(logs: Logs) -> float:
    """Seconds without any assessment on a partition between two of them, at worst."""
    written: defaultdict[int, list[int]] = defaultdict(list)
    for record in logs[topics.ASSESSMENTS]:
        written[record.partition].append(record.timestamp)
    gaps = [b - a for stamps in written.values() for a, b in pairwise(sorted(stamps))]
    return max(gaps, default=0) / 1000


async def _in_app_ids(url: str, leads: int) -> Counter[str]:
    """In-app messages by intervention id."""
    async with Redis.from_url(url) as redis:
        found: Counter[str] = Counter()
        for n in range(leads):
            found.update(m["id"] for m in await read_in_app(redis, "acme", f"lead-{n}"))
        return found
