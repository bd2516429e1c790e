"""What is in force changes while the product runs: a model, and whether it acts at all."""

import json
from pathlib import Path
from typing import Any

from schemas.topics import ASSESSMENTS, DECISIONS, EVENTS, INTERVENTIONS, POLICIES, Topic
from streams.ids import bucket
from tests.acceptance.conftest import Deploy, Models
from tests.acceptance.product import Product
from tests.acceptance.traffic import day, event, messages, tick
from tests.polling import eventually
from tests.worlds import POLICY_FILE, lead_named


def bodies(product: Product, topic: Topic) -> list[dict[str, Any]]:
    """Messages of a topic, oldest first within each partition."""
    return [json.loads(record.value) for record in product.records(topic)]


def moment(n: float) -> str:
    """Day `n`, as `--at` takes it."""
    return day(n).replace(tzinfo=None).isoformat()


def _in_force(product: Product, version: str) -> str:
    """What `policy list` says, once this version is in force; else nothing."""
    told = product.run("policy", "list").out
    return told if any(line.startswith(version) and line.endswith("in force") for line in told.splitlines()) else ""


def test_what_was_activated_judges_without_a_restart_and_a_policy_is_taken_back(
    deploy: Deploy, models: Models, tmp_path: Path
) -> None:
    product = deploy(2)
    worker = product.start("lead").wait_ready()
    leads = [f"L{n}" for n in range(12)]
    sent = product.send(messages(product, leads, 0))
    sent += product.send(tick(product, 12))
    worker.wait_folded(sent)
    before = bodies(product, ASSESSMENTS)
    assert {a["lead"] for a in before} == set(leads)
    assert {(a["method"], a["model_version"]) for a in before} == {("rule", "rule-2")}

    done = product.run("model", "promote", models.version, "--at", moment(12.5), models=str(models.folder))
    assert done.code == 0, done.err
    assert f"{models.version} is activated on 2 partitions" in done.out
    announced = bodies(product, POLICIES)
    assert sorted(((a["type"], a["version"]) for a in announced), reverse=True) == [
        ("model_published", models.version), ("model_promoted", models.version),
    ]  # fmt: skip
    sent += 2
    sent += product.send(event(product, lead, day(13), "message_received", "back") for lead in leads)
    worker.wait_folded(sent)
    after = [a for a in bodies(product, ASSESSMENTS) if a["at"] > day(12.5).isoformat()]
    assert {a["lead"] for a in after} == set(leads)
    assert {(a["method"], a["model_version"]) for a in after} == {("model", models.version)}

    second = tmp_path / "second.toml"
    second.write_text(POLICY_FILE.read_text().replace('version = "1"', 'version = "2"'))
    done = product.run("policy", "activate", str(second), "--at", moment(13.2))
    assert (done.code, done.out.strip()) == (0, "told 2 partitions: policy 2"), done.err
    eventually(lambda: _in_force(product, "2"), what="the second version to be in force")
    second.write_text(second.read_text().replace("max_per_day = 1", "max_per_day = 2"))
    for command in ("publish", "activate"):
        done = product.run("policy", command, str(second))
        assert (done.code, "caps.max_per_day is 1 there and 2 here; give the new one a new" in done.err) == (
            78,
            True,
        ), done
    assert len(bodies(product, POLICIES)) == len(announced) + 1, "nothing of it was written"
    second.write_text(second.read_text().replace('version = "2"', 'version = "2-other"'))
    done = product.run("policy", "activate", str(second), "--at", moment(13.3), "--share", "1", "--tenant", "other")
    assert (done.code, done.out.strip()) == (0, "told 2 partitions: policy 2-other, share 1.0, tenant other"), done.err
    done = product.run("policy", "restore", "1", "--at", moment(13.4))
    assert (done.code, done.out.splitlines()[0]) == (0, "told 2 partitions: policy 1"), done.err
    assert "note: other had version 2-other published for it, and has none of its own under 1" in done.out
    assert "2  published 2026-01-18 " in eventually(lambda: _in_force(product, "1"), what="the first to be again")
    assert product.run("policy", "restore", "9").code == 66
    assert worker.running


def test_a_model_for_a_share_of_the_leads_judges_those_over_a_restart_and_is_taken_back_at_once(
    deploy: Deploy, models: Models
) -> None:
    product = deploy(2)
    worker = product.start("lead").wait_ready()
    leads = [f"L{n}" for n in range(40)]
    drawn = {n for n in leads if bucket(f"rollout:{models.version}", product.tenant, n) < 3000}
    assert 0 < len(drawn) < len(leads)
    sent = product.send(messages(product, leads, 0))
    sent += product.send(tick(product, 12))
    worker.wait_folded(sent)

    def versions(since: float) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for a in bodies(product, ASSESSMENTS):
            if a["at"] > day(since).isoformat():
                found.setdefault(a["lead"], set()).add(a["model_version"])
        return found

    share = ("--share", "0.3", "--at", moment(12.5))
    done = product.run("model", "promote", models.version, *share, models=str(models.folder))
    assert done.code == 0, done.err
    assert f"{models.version} is activated for 30.0% of the leads on 2 partitions" in done.out
    listed = product.run("model", "list", models=str(models.folder))
    assert f"{models.version}  published  30.0% of the leads" in listed.out
    sent += 2 + product.send(event(product, lead, day(13), "message_received", "back") for lead in leads)
    worker.wait_folded(sent)
    expected = {lead: {models.version if lead in drawn else "rule-2"} for lead in leads}
    assert versions(12.5) == expected

    worker.stop()
    worker = product.start("lead").wait_ready()
    sent = product.send(tick(product, 20))
    worker.wait_folded(sent)
    assert versions(12.5) == expected, "what is rolled out is in the state"

    done = product.run("model", "rollback", "--at", moment(20.5))
    assert done.code == 0, done.err
    assert f"{models.version} judges no lead any more on 2 partitions" in done.out
    sent += 2 + product.send(event(product, lead, day(28), "message_received", "finally") for lead in leads)
    worker.wait_folded(sent)
    assert versions(20.5) == {lead: {"rule-2"} for lead in leads}
    assert product.run("model", "rollback").code == 66, "there is nothing more to take back"


def test_watch_stops_what_is_sent_and_act_resumes_it(deploy: Deploy) -> None:
    product = deploy(2)
    worker = product.start("lead").wait_ready()
    early, later = (lead_named(name, tenant=product.tenant, out=False) for name in ("early", "later"))
    silent = [early, f"{early}-too", f"{early}-as-well", f"{early}-and-one"]
    watch = product.run("policy", "watch", "--at", moment(-1))
    assert (watch.code, watch.out.strip()) == (0, "told 2 partitions: acting False")
    sent = 2 + product.send([*messages(product, silent, 0), *tick(product, 12)])
    worker.wait_folded(sent)
    stages = {a["lead"]: a["stage"] for a in bodies(product, ASSESSMENTS)}
    assert all(stages[lead] != "none" for lead in silent), "it goes on judging"
    assert bodies(product, DECISIONS) == []
    assert all(bodies(product, topic) == [] for topic in INTERVENTIONS.values())

    act = product.run("policy", "act", "--at", moment(12.1))
    assert (act.code, act.out.strip()) == (0, "told 2 partitions: acting True")
    sent += 2 + product.send(
        [*messages(product, [later], 13), *tick(product, 18), *tick(product, 26), *tick(product, 27)]
    )
    worker.wait_folded(sent)
    decided = [d for d in bodies(product, DECISIONS) if d["lead"] == later]
    assert "sent" in {d["verdict"] for d in decided}, decided
    commands = [c for topic in INTERVENTIONS.values() for c in bodies(product, topic)]
    assert {c["id"] for c in commands if c["lead"] == later} >= {
        d["intervention"] for d in decided if d["verdict"] == "sent"
    }
    assert len(product.inbox()) == sent, f"and nothing else is in {EVENTS.name}"
