"""`leadkeeper simulate`: a recorded log through two policies, without sending; `policy test` on what a policy brings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.cli.main import app
from agents.mapping import load_mapping
from agents.policyfile.read import load_policy
from agents.simulate import read_log, simulate, span_of
from agents.writer import Out, partition_for
from schemas.errors import MappingInvalid
from schemas.topics import EVENTS
from schemas.units import Channel
from streams.replay import replay
from streams.risk import RuleScorer
from streams.volumes import Volumes, by_kind, differing
from tests.acceptance.conftest import Deploy
from tests.worlds import ROOT, env, policy

SHOP = ROOT / "deploy" / "policies" / "online_shop.toml"
CLUB = ROOT / "tests" / "fixtures" / "club.csv"
MAPPING = ROOT / "tests" / "fixtures" / "club.toml"


def run(*words: str) -> str:
    """What a command prints; it must end well."""
    done = CliRunner().invoke(app, words, env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.output


def test_two_policies_side_by_side(tmp_path: Path) -> None:
    """The looser one sends more and holds less; where they differ is told; the numbers are those of the fold."""
    loose = tmp_path / "loose.toml"
    text = (
        SHOP.read_text().replace('version = "1"', 'version = "2"').replace("cooldown_hours = 72", "cooldown_hours = 1")
    )
    loose.write_text(text.replace("max_per_week = 1\n", "max_per_week = 5\n"))
    told = run(
        "simulate", "--policy", str(loose), "--against", str(SHOP), "--from-log", str(CLUB), "--mapping", str(MAPPING),
        "--days", "40",
    )  # fmt: skip
    assert "nothing was sent" in " ".join(told.split())
    assert "online_shop 1" in told
    assert "online_shop 2" in told
    assert max(len(line.rstrip()) for line in told.split("steps end differently")[0].splitlines()) <= 80
    layout = load_mapping(str(MAPPING))
    log = read_log([CLUB], layout, contacts=True)
    span = span_of(log.lines, 40, 6)
    old, new = (simulate(log.lines, span, layout.policy_with(load_policy(f)), RuleScorer()) for f in (SHOP, loose))
    assert new.sent.total() > old.sent.total()
    assert old.limited() > new.limited()
    assert sum(old.contacted().values()) == len(old.contacts) > 0
    assert f"{old.sent.total():,}" in told
    found = differing(old, new)
    assert f"{len(found):,} of" in told
    assert differing(old, old) == []
    kinds = by_kind(found)
    assert sum(len(alike) for _, alike in kinds) == len(found)
    assert f"{len(kinds[0][1]):,} times {kinds[0][0]}, like" in told
    with_caps = [d for d in found if d.old and d.old.rule.startswith("cap")]
    assert with_caps
    assert all(d.new is None or d.new != d.old for d in with_caps)


def test_the_inbox_itself_can_be_replayed(tmp_path: Path) -> None:
    """JSON lines as they stood on lead.events; ticks of the recording are replaced by those of the simulation."""
    lines = [
        {"v": 1, "type": "profile_updated", "id": "p", "tenant": "acme", "lead": "L1", "at": "2026-01-05T14:00:00Z",
         "email": "ann@example.com", "timezone": "America/New_York"},
        *({"v": 1, "type": "item_viewed", "id": f"v{d}", "tenant": "acme", "lead": "L1", "item": "x",
           "at": f"2026-01-{5 + d:02}T15:00:00Z"} for d in (0, 2, 4, 6, 8)),
        {"v": 1, "type": "tick", "id": "t", "partition": 0, "at": "2026-02-05T15:00:00Z"},
        {"v": 1, "type": "item_viewed", "id": "last", "tenant": "acme", "lead": "L2", "item": "x", "at": "2026-02-10T15:00:00Z"},
    ]  # fmt: skip
    log = tmp_path / "events.jsonl"
    log.write_text("\n".join(json.dumps(line) for line in lines))
    told = run(
        "simulate", "--policy", str(ROOT / "deploy/policies/real_estate.toml"), "--from-log", str(log), "--days", "60"
    )
    assert "\n0 of 9 steps end differently" in told
    rows = [line.strip() for line in told.splitlines()]
    for name in ("stages entered", "cost", "caps hit", "quiet-hour deferrals", "escalations", "leads contacted"):
        assert any(row.startswith(name) for row in rows), name
    assert "senior-broker" in told
    read = read_log([log], None, contacts=False)
    assert len(read.lines) == 7
    volumes = simulate(read.lines, span_of(read.lines, 60, 1), policy(), RuleScorer())
    assert volumes.sent[Channel.EMAIL] == 3
    assert volumes.escalations == 1
    burdens = volumes.burdens(60)
    assert {name: b.asked for name, b in burdens.items()} == {"senior-broker": 1}
    assert (burdens["senior-broker"].a_day, burdens["senior-broker"].most_in_a_day) == (round(1 / 60, 4), 1)
    log.write_text('{"type": "item_viewed"}')
    with pytest.raises(MappingInvalid, match=r"events.jsonl:1: not a message of lead.events"):
        read_log([log], None, contacts=False)


def test_what_is_printed_is_also_told_to_machines(tmp_path: Path) -> None:
    """The same numbers, under the names that the table has."""
    loose = tmp_path / "loose.toml"
    loose.write_text(
        SHOP.read_text().replace('version = "1"', 'version = "2"').replace('start = "20:00"', 'start = "23:00"')
    )
    words = (
        "simulate",
        "--policy",
        str(loose),
        "--against",
        str(SHOP),
        "--from-log",
        str(CLUB),
        "--mapping",
        str(MAPPING),
    )
    table, told = run(*words, "--days", "40"), json.loads(run(*words, "--days", "40", "--json"))
    before, now = told["before"], told["now"]
    assert (before["version"], now["version"]) == ("1", "2")
    assert before["quiet_hour_deferrals"] >= now["quiet_hour_deferrals"]
    rows = {line[:40].strip(): line.split()[-2:] for line in table.splitlines() if line.strip()}
    for name, of in (("sent", "sent"), ("stages entered", "stages_entered"), ("caps hit", "caps_hit")):
        assert rows[name] == [f"{sum(v[of].values()):,}" for v in (before, now)], name
    for name in ("quiet-hour deferrals", "leads contacted", "escalations"):
        of = name.replace(" ", "_").replace("-", "_")
        assert rows[name] == [f"{v[of]:,}" for v in (before, now)], name
    assert before["leads_contacted"] == sum(before["contacts_per_lead"].values())
    assert sum(kind["times"] for kind in told["differing"]) <= told["steps"]


def test_it_does_not_matter_over_how_many_partitions_leads_are_spread() -> None:
    """But for what a partition has a share of: here nothing."""
    log = read_log([CLUB], load_mapping(str(MAPPING)), contacts=True)
    span, rules = span_of(log.lines, 40, 6), load_mapping(str(MAPPING)).policy_with(load_policy(SHOP))
    one, three = (simulate(log.lines, span, rules, RuleScorer(), n) for n in (1, 3))
    assert differing(one, three) == []
    assert one.told(40) == three.told(40)


def test_the_inbox_on_the_broker_is_replayed_and_left_as_it_is(deploy: Deploy, tmp_path: Path) -> None:
    """What the topic holds means the same as the same lines in a file; garbage and ticks in it do no harm."""
    product = deploy(3)
    shop, mapping = str(SHOP), load_mapping(str(MAPPING))
    lines = read_log([CLUB], mapping, contacts=True).lines
    log = tmp_path / "events.jsonl"
    log.write_bytes(b"\n".join(line.value for line in lines))
    name = product.topic(EVENTS)
    product.send(Out(name, partition_for(line.key, 3), line.key, line.value, line.at_ms) for line in lines)
    tick = b'{"v":1,"type":"tick","id":"t","partition":0,"at":"2026-01-01T00:00:00Z"}'
    product.send([Out(name, 0, b"x", b"garbage", 1), Out(name, 0, b"@tick:0", tick, 1)])
    before = len(product.inbox())
    words = ("simulate", "--policy", shop, "--against", shop, "--days", "40", "--json")
    done = product.run(*words, "--from-kafka")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    known = json.loads(run(*words, "--from-log", str(log)))
    assert (told.pop("left_out"), known.pop("left_out")) == (1, 0)
    assert (told.pop("partitions"), known.pop("partitions")) == (3, 1)
    assert told == known
    assert len(product.inbox()) == before
    assert product.run(*words, "--from-kafka", "--tenant", "nobody").code == 66
    for wrong in (words, (*words, "--from-kafka", "--from-log", str(log))):
        refused = product.run(*wrong)
        assert (refused.code, "give --from-log FILE, or --from-kafka" in refused.err) == (64, True)


def test_volumes_are_those_of_the_outputs() -> None:
    """An empty log leads to nothing, counted as nothing."""
    volumes = Volumes(policy())
    volumes.take(replay({0: []}, env()).outputs)
    assert (volumes.sent.total(), volumes.limited(), volumes.contacted()["1"]) == (0, 0, 0)


def test_the_stories_of_a_policy_are_played_by_the_command_line(tmp_path: Path) -> None:
    told = run("policy", "test", str(ROOT / "deploy/policies/trades.toml"))
    assert told.count("holds") >= 8
    broken = tmp_path / "trades.toml"
    broken.write_text((ROOT / "deploy/policies/trades.toml").read_text().replace("max_per_day = 1", "max_per_day = 2"))
    done = CliRunner().invoke(app, ["policy", "test", str(broken)])
    assert done.exit_code == 1
    assert "FAILS  Two programmes on one day" in done.output
