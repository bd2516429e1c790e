"""The wholesaler's first year: invoices become purchases, and the model ranks later months better than any one feature."""

import tomllib

import pytest

from agents.eventlog import ReadReport
from agents.mapping import FOLDER, load_mapping
from agents.train import read_log, train
from streams.policy import parse_policy
from tests.evaluate.__main__ import DATA
from tests.evaluate.sets import SETS

pytestmark = pytest.mark.slow
(SOURCE,) = (source for source in SETS if source.mapping == "retail")
AUTUMN_2010 = 1_282_694_400.0
"""25 August 2010: of three weeks after it, 90 days more are known."""


def test_invoices_are_read_and_ranked_by_what_they_tell() -> None:
    files = SOURCE.files(DATA)
    if not files:
        pytest.skip(SOURCE.lacking(DATA))
    layout, report = load_mapping("retail"), ReadReport()
    policy = parse_policy(
        tomllib.loads((FOLDER.parent / "policies" / "real_estate.toml").read_text()), "real_estate.toml"
    )
    log = read_log(files[:1], layout, policy, report)
    assert report.rows > 500_000
    assert set(report.events) >= {"purchase_completed", "refund_issued"}
    assert report.rejected.total() == 0
    assert len(log.keys) == report.leads > 4_000
    manifest = train(log, layout.label, AUTUMN_2010, "retail").manifest
    tested = manifest.tested
    assert tested is not None
    assert tested.single is not None
    assert 0.72 < tested.model["auc"] < 0.85
    assert tested.model["auc"] > max(tested.single[1], tested.recency["auc"])
    assert tested.model["log_loss"] < tested.base_log_loss
    assert not manifest.flags
