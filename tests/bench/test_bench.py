"""The count bench from end to end, small: it measures, it writes what it promises, and it does not believe wrong counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.writer import Out, Writer, partition_for
from tests.bench import count
from tests.bench.count_engines import ENGINES
from tests.bench.count_log import PARTITIONS, fill, verify
from tests.bench.figures import Bench, Figure
from tests.bench.full import one_at_a_time
from tests.bench.logs import records
from tests.bench.machine import heading
from tests.bench.progress import EngineFailedError, Sample, steady
from tests.bench.report import gather, write
from tests.broker.count_job import encode
from tests.brokers import Broker, Topics

EVENTS = 500_000


@pytest.mark.slow
def test_the_lane_is_measured_verified_and_written_down(broker: Broker, tmp_path: Path) -> None:
    """The lane's figures stand, and the file has everything that a reader needs to judge them."""
    bench = Bench(broker, tmp_path, repeat=1, events=EVENTS, only=("lane",))
    figures = list(count.run(bench))
    assert [(f.metric, f.void) for f in figures] == [("events", ""), ("cpu", "")]
    assert all(f.value > 0 for f in figures)
    path = tmp_path / "figures.json"
    write(path, heading(broker, "a test", "make bench"), gather(figures))
    written = json.loads(path.read_text())
    assert written.keys() == {"made", "command", "machine", "versions", "broker", "figures"}
    assert written["machine"].keys() == {"cpu", "cores", "memory_gb", "system"}
    assert {"python", "aiokafka", "faust-streaming", "lightgbm"} <= written["versions"].keys()
    for figure in written["figures"]:
        assert figure["who"] == "lane"
        assert figure["min"] == figure["median"] == figure["max"] == figure["values"][0]
        assert {"bench", "case", "what", "unit", "times_better", "voids", "loads", "note"} < figure.keys()


Left = dict[str, list[tuple[bytes, bytes]]]  # what an engine wrote: topic -> key and value


@pytest.mark.parametrize(
    ("spoil", "verdict"),
    [
        (
            lambda left: left["outputs"].append(left["outputs"][-1]),
            "1 outputs do not follow the one before of their key",
        ),
        (lambda left: left["outputs"].pop(), "1 keys end with wrong outputs"),
        (lambda left: left["changelog"].pop(), "1 keys have wrong counts on the changelog"),
    ],
    ids=["doubled", "lost", "stale state"],
)
def test_a_wrong_count_is_noticed(
    broker: Broker, topics: Topics, spoil: Callable[[Left], object], verdict: str
) -> None:
    """One output doubled or lost, or one state not written: that is not what the count job makes of the log."""

    async def check() -> str:
        log = await fill(broker, topics, 1_000)
        left: Left = {"outputs": [], "changelog": []}
        counts: dict[bytes, tuple[int, int]] = {}
        async for key, value in records(broker.bootstrap, log.topic):
            assert key is not None
            events, total = counts.get(key, (0, 0))
            events, total = counts[key] = events + 1, total + json.loads(value or b"")["n"]
            left["outputs"].append((key, b"0:%d:%d" % (events, total)))
            left["changelog"].append((key, encode((events, total, 0))))
        made = topics.create_all(dict.fromkeys(left, PARTITIONS))
        spoil(left)
        writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
        await writer.start()
        for name, written in left.items():
            await writer.produce(Out(made[name], partition_for(key, PARTITIONS), key, value) for key, value in written)
        await writer.stop()
        return await verify(broker.bootstrap, log, made["outputs"], made["changelog"], ENGINES[0].reads)

    assert asyncio.run(check()) == verdict


def test_steady_state_leaves_start_and_end_out() -> None:
    """Half the events in the first second, the rest at 100 a second and 50 us each: the latter is what counts."""
    warm = [Sample(0.0, 5.0, 0), Sample(1.0, 9.0, 500)]
    rest = [Sample(1.0 + n, 9.0 + 0.005 * n, 500 + 100 * n) for n in range(1, 5)]
    pace = steady([*warm, *rest], 1_000, warm=0.4)
    assert (round(pace.events_per_s), round(pace.cpu_us)) == (100, 50)
    with pytest.raises(EngineFailedError, match="take more events"):
        steady(warm, 1_000, warm=0.4)


def test_ratios_are_taken_within_a_repeat_and_void_figures_are_left_out() -> None:
    """Ours is the first; more events and less CPU are better; what is void has no ratio."""

    def figure(who: str, what: str, value: float, unit: str, void: str = "") -> Figure:
        return Figure("count", "", who, what, value, unit, void=void, peer=who == "theirs")

    lines = gather(
        [
            figure("ours", "events", 200.0, "events/s"),
            figure("ours", "cpu", 5.0, "us/event"),
            figure("theirs", "events", 50.0, "events/s"),
            figure("theirs", "cpu", 20.0, "us/event"),
            figure("ours", "events", 300.0, "events/s"),
            figure("theirs", "events", 1.0, "events/s", void="wrong results"),
        ]
    )
    better = {(line.first.subject, line.first.metric): line.times_better for line in lines}
    assert better["ours", "events"] is None
    assert better["theirs", "events"] == (4.0, 4.0, 4.0)
    assert better["theirs", "cpu"] == (4.0, 4.0, 4.0)
    assert next(line.values for line in lines if line.first.subject == "theirs") == [50.0, None]


def test_one_thing_varies_at_a_time() -> None:
    assert list(one_at_a_time((1, 2), (4,), (7, 8, 9))) == [(1, 4, 7), (2, 4, 7), (1, 4, 8), (1, 4, 9)]


def test_who_was_passed_over_or_is_a_peer_is_nobody_to_compare_with() -> None:
    def figure(who: str, value: float, void: str = "", *, peer: bool) -> Figure:
        return Figure("count", "", who, "events", value, "events/s", void=void, peer=peer)

    absent = figure("Kafka Streams", 0.0, "not run: no Java", peer=False)
    lines = gather([absent, figure("ours", 200.0, peer=False), figure("theirs", 50.0, peer=True)])
    assert [line.times_better for line in lines] == [None, None, (4.0, 4.0, 4.0)]
    alone = gather([figure("theirs", 50.0, peer=True), figure("others", 100.0, peer=True)])
    assert [line.times_better for line in alone] == [None, None], "without ours there is no ratio"
