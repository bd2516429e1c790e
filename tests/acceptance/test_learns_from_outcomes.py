"""What came of two texts decides how often each is drawn next: from the outcomes over `policies` back into the fold."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from schemas.topics import DECISIONS, OUTCOMES, POLICIES
from tests.acceptance.conftest import Deploy
from tests.acceptance.product import Product
from tests.acceptance.traffic import day, event, messages, tick
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


def test_the_text_that_keeps_more_leads_is_drawn_more_often(deploy: Deploy, tmp_path: Path) -> None:
    product, file = deploy(2), tmp_path / "policy.json"
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

    done = product.run("learn", "publish", "--at", day(14).replace(tzinfo=None).isoformat(), policy=str(file))
    assert done.code == 0, done.err
    (told,) = [json.loads(record.value) for record in product.records(POLICIES)]
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
    again = product.run("learn", "publish", "--at", day(28).replace(tzinfo=None).isoformat(), policy=str(file))
    assert again.code == 0, again.err
    assert worker.running
    contact = product.run("lead", "contact", product.tenant, first[0], policy=str(file))
    assert contact.code == 0, contact.err
    assert "best hour      not enough data (" in contact.out
    assert "next contact   nothing is planned" in contact.out
    assert json.loads(product.run("lead", "contact", product.tenant, first[0], "--json", policy=str(file)).out)["ways"]
    assert product.run("lead", "contact", product.tenant, "nobody", policy=str(file)).code == 66
