"""The broker of the long fault tests: Apache Kafka that can be killed, filled up and cut off, with a proxy before it.

It keeps its data over a crash, which the embedded broker does not; so these tests need Java and Maven (`make kafka`).
"""

import json
import random
import resource
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from agents.child import LOOPBACK, ChildProcess, free_port
from agents.topics import configs_of
from agents.writer import Out, partition_for
from deploy.kafka.run import ApacheKafka
from schemas import topics
from tests.brokers import Broker, set_configs
from tests.chaos.proxy import order
from tests.faults.nemesis import Fault, Undo, met, run_apart, write
from tests.faults.traffic import GARBAGE, PARTITIONS
from tests.faults.world import ROOT, World
from tests.polling import eventually


@dataclass(frozen=True)
class Stage:
    """A broker and the means to do it harm.

    Attributes:
        broker: As the test reaches it.
        proxied: `host:port` of the proxy before it.
        kafka: The process.
        control: Where the proxy takes orders.
    """

    broker: Broker
    proxied: str
    kafka: ApacheKafka
    control: int

    def kill(self, world: World, _: random.Random) -> None:
        """Kill -9 the broker and start it again on its data."""
        self.kafka.kill()
        self.kafka.restart()
        world.done.append("kill broker")

    def restart(self, world: World, _: random.Random) -> None:
        """Stop it in good order and start it again."""
        self.kafka.restart()
        world.done.append("restart broker")

    def fill_disk(self, world: World, _: random.Random) -> None:
        """No file may grow any more, as on a full disk; Kafka gives up, and is started again with room."""
        resource.prlimit(self.kafka.pid, resource.RLIMIT_FSIZE, (0, 0))
        eventually(lambda: not self.kafka._running_child().running, timeout=60, what="Kafka giving up on a full disk")
        self.kafka.restart()
        world.done.append("fill the broker's disk")

    def cut(self, seconds: float) -> Fault:
        """The workers lose all connections to the broker and get no new ones for some time."""
        return self._ordered(f"cut for {seconds:g} s", "cut", seconds)

    def slow(self, delay_s: float, seconds: float) -> Fault:
        """Everything between workers and broker takes its time, both ways."""
        return self._ordered(f"slow by {delay_s:g} s for {seconds:g} s", f"slow {delay_s}", seconds)

    def resets(self, share: float, seconds: float) -> Fault:
        """Connections end in the middle, again and again."""
        return self._ordered(f"{share:.0%} resets for {seconds:g} s", f"resets {share}", seconds)

    def refuse_writes(self, seconds: float) -> Fault:
        """Reads go on, but whatever the lead agents want to write is refused: every record is too large."""

        def fault(world: World, _: random.Random) -> Undo:
            written = [world.prefix + t.name for t in (*topics.LEAD_AGENT_WRITES, topics.EVENTS_DLQ, topics.STATE)]
            usual = run_apart(configs_of(self.broker.bootstrap, written))
            small = {name: {**usual[name], "max.message.bytes": "1"} for name in written}
            run_apart(set_configs(self.broker.bootstrap, small))
            world.done.append(f"writes refused for {seconds:g} s")
            return seconds, lambda: run_apart(set_configs(self.broker.bootstrap, {n: usual[n] for n in written}))

        return fault

    def garbage(self, count: int) -> Fault:
        """So many records in a row that are none, on one partition: its breaker must stop it until somebody restarts it."""

        def fault(world: World, _: random.Random) -> Undo:
            key = b"acme:lead-0"
            bad = Out(world.prefix + topics.EVENTS.name, partition_for(key, PARTITIONS), key, b"{", None, GARBAGE)
            run_apart(write(world, [bad] * count))
            world.done.append(f"{count} bad records in a row")

            def restart() -> None:
                for name in world.workers("lead-"):
                    world.kill(name)

            return 2 * world.session_s, restart

        return fault

    def _ordered(self, what: str, text: str, seconds: float) -> Fault:
        def fault(world: World, _: random.Random) -> Undo:
            order(self.control, text)
            return seconds, lambda: world.done.append(met(what, order(self.control, "open")))

        return fault


def open_stage(cleanup: ExitStack, folder: Path, seed: int) -> Stage:
    """Start broker and proxy; `cleanup` stops them. `seed`: which connections are reset."""
    behind, log = free_port(), folder / "proxy.log"
    proxy = ChildProcess(
        "proxy",
        [sys.executable, "-m", "tests.chaos.proxy", f"{LOOPBACK}:{behind}", "--seed", str(seed)],
        log=log,
        cwd=ROOT,
    )
    cleanup.callback(proxy.stop)
    proxy.wait_ready(lambda: '"port"' in log.read_text(), 30)
    ports: dict[str, int] = json.loads(log.read_text().splitlines()[0])
    kafka = cleanup.enter_context(ApacheKafka(data=folder / "kafka", behind=(behind, ports["port"])))
    return Stage(Broker("jars", kafka.bootstrap), f"{LOOPBACK}:{ports['port']}", kafka, ports["control"])
