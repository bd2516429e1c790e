"""`leadkeeper policy publish`: a policy that passes its check stands on `policies`, for its tenant; one that does not is not written."""

import json
from pathlib import Path

from schemas.topics import POLICIES
from streams.policy import parse_policy
from tests.acceptance.conftest import Deploy
from tests.worlds import ROOT

TRADES = ROOT / "deploy" / "policies" / "trades.toml"


def test_what_is_published_can_be_read_back(deploy: Deploy, tmp_path: Path) -> None:
    product = deploy(2)
    own = tmp_path / "own.toml"
    own.write_text(TRADES.read_text().replace('version = "1"', 'version = "2"'))
    for said in (
        "published trades, version 2, for acme",
        "trades, version 2, for acme: there already, with this content",
    ):
        done = product.run("policy", "publish", str(own), "--tenant", "acme")
        assert (done.code, done.out.strip()) == (0, said), done.err
    (record,) = product.records(POLICIES)
    told = json.loads(record.value)
    assert (record.key, told["tenant"], told["version"]) == (b"acme:policy_published:2", "acme", "2")
    assert parse_policy(told["policy"], "the topic").playbooks.active_risk.steps[1].after
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(TRADES.read_text().replace("trades.offer.email", "trades.ofer.email"))
    done = product.run("policy", "publish", str(wrong))
    assert done.code == 78
    assert "trades.ofer.email.subject.j2 is missing" in done.err
    assert product.run("policy", "publish", str(own), "--tenant", "a b").code == 64
    done = product.run("policy", "publish", str(TRADES))
    assert (done.code, "version 1 is that of the file which workers start with" in done.err) == (78, True), done
    assert len(product.records(POLICIES)) == 1
