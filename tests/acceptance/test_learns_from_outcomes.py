"""What came of two texts decides how often each is drawn next: from the outcomes over `policies` back into the fold."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

from agents.in_force import InForce, in_force
from agents.learning import learn_nightly
from agents.settings import LeadSettings
from schemas.topics import DECISIONS, OUTCOMES, POLICIES
from tests.acceptance.conftest import Deploy
from tests.acceptance.product import Product, Worker
from tests.acceptance.traffic import day, event, messages, tick
from tests.polling import eventually
from tests.worlds import policy

NOTE = {"name": "note", "action": "market_update", "channel": "email", "template": "early_warning.email"}
CHANGES: dict[str, Any] = {
    "playbooks": {stage: {"steps": [NOTE]} for stage in ("early_warning", "active_risk", "critical_risk")},
    "experiments": {
        "words": {
            "template": "early_warning.email",
            "variants": {"plain": {"template": "early_warning.email"}, "short": {"template": "active_risk.email"}},
        }
    },
    "quiet_hours": {"start": "00:00", "end": "00:00"},
    "holdout": {"share": 0.0},
    "episodes": {"attribution_days": 1},
}


def _sent(product: Product, leads: list[str]) -> dict[str, dict[str, Any]]:
    decided = [json.loads(record.value) for record in product.records(DECISIONS)]
    return {d["lead"]: d for d in decided if d["verdict"] == "sent" and d["step"] == "note" and d["lead"] in leads}


def _learned_at_night(product: Product, worker: Worker, file: Path, sent: int) -> str:
    """What `worker models` puts in force by itself; the version."""
    night = product.start("models", policy=str(file), reports=str(file.parent), models=str(file.parent)).wait_ready()
    night.wait_for("leadkeeper_last_learned_seconds", 1)
    assert night.stop() == 0
    worker.wait_folded(sent + product.partitions)
    settings = LeadSettings(bootstrap=product.broker.bootstrap, topic_prefix=product.prefix, policy=file, clock="event")
    now = eventually(lambda: _in_force(settings), what="what was learned to be in force")
    assert now is not None
    assert now.policies["*"].experiments.keys() == {"words"}
    assert f"{now.weights_version} is in force on 2 partitions" in night.log
    assert "lead.state and lead.events agree on" in night.log
    assert asyncio.run(learn_nightly(settings, day(14))) is None, "nothing new"
    return now.weights_version


def _in_force(settings: LeadSettings) -> InForce | None:
    """Once anything that was learned is."""
    now = asyncio.run(in_force(settings))
    return now if now.weights_version else None


def _tells_how_to_get_through(product: Product, lead: str, file: Path) -> None:
    contact = product.run("lead", "contact", product.tenant, lead, policy=str(file))
    assert contact.code == 0, contact.err
    assert "best hour      not enough data (" in contact.out
    assert "next contact   nothing is planned" in contact.out
    assert "  by hour      not enough data (0 as told, 0 others; 20 of each)" in contact.out
    assert all(len(line) <= 80 for line in contact.out.splitlines()), contact.out
    told = json.loads(product.run("lead", "contact", product.tenant, lead, "--json", policy=str(file)).out)
    assert told["ways"]
    assert told["accuracy"]["channel"] == {
        "as_told": {"sent": 0, "answered": 0}, "others": {"sent": 0, "answered": 0}, "enough": False,
    }  # fmt: skip
    assert product.run("lead", "contact", product.tenant, "nobody", policy=str(file)).code == 66


def test_the_text_that_keeps_more_leads_is_drawn_more_often(deploy: Deploy, tmp_path: Path) -> None:
    product, file = deploy(2), tmp_path / "policy.json"
    product.tenant = "learner"  # who is drawn for what goes by tenant and lead: the same in each run
    file.write_text(policy(CHANGES).model_dump_json())
    worker = product.start("lead", policy=str(file)).wait_ready()
    first, later = [f"L{n}" for n in range(60)], [f"N{n}" for n in range(60)]

    def silent(leads: list[str], begin: int) -> int:
        profiles = [event(product, n, day(begin), "profile_updated", f"p-{n}", email=f"{n}@harbour.com") for n in leads]
        return product.send([*profiles, *messages(product, leads, begin), *tick(product, begin + 12)])

    sent = silent(first, 0)
    worker.wait_folded(sent)
    got = {lead: d["drawn"][0]["variant"] for lead, d in _sent(product, first).items()}
    assert got.keys() == set(first)
    assert min(Counter(got.values()).values()) > 15, "each has its share before anything is known"
    assert product.run("learn", "report", policy=str(file)).code == 66, "nothing came of anything yet"
    back = [event(product, lead, day(12.5), "item_viewed", "back", item="x") for lead in first]
    kept = [lead for i, lead in enumerate(first) if got[lead] == "short" or i % 10 == 0]
    sent += product.send([*(e for e, lead in zip(back, first, strict=True) if lead in kept), *tick(product, 14)])
    worker.wait_folded(sent)
    final = [o for r in product.records(OUTCOMES) if (o := json.loads(r.value)).get("final")]
    assert {(o["lead"], o["drawn"][0]["variant"]) for o in final} == set(got.items())

    version = _learned_at_night(product, worker, file, sent)
    done = product.run("learn", "publish", "--at", day(14.1).replace(tzinfo=None).isoformat(), policy=str(file))
    assert done.code == 0, done.err
    told = [json.loads(record.value) for record in product.records(POLICIES)][-1]
    assert told["version"] == version, "the command comes to the same"
    sent += 2
    assert f"{told['version']} is in force on 2 partitions" in done.out
    assert "short is better than every other variant" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines()), done.out
    best = told["weights"][product.tenant]["experiments"]["words"]
    assert best["short"] > 0.999
    sent += 2 + silent(later, 14)
    worker.wait_folded(sent)
    after = _sent(product, later)
    assert after.keys() == set(later)
    assert {d["weights_version"] for d in after.values()} == {told["version"]}
    drawn = Counter((d["drawn"][0]["variant"], round(d["drawn"][0]["propensity"], 2)) for d in after.values())
    assert drawn.keys() <= {("short", 0.95), ("plain", 0.05)}
    assert drawn["short", 0.95] > 50
    why = product.run("why", product.tenant, later[0], "--json")
    assert f"weights {told['version']}" in why.out
    assert "words: " in why.out
    assert worker.running
    simulated = product.run("simulate", "--from-kafka", "--days", "30", "--policy", str(file), policy=str(file))
    assert simulated.code == 0, simulated.err
    assert f"goes by {version}" in simulated.out
    _tells_how_to_get_through(product, first[0], file)
