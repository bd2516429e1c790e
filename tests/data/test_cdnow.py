"""The real log: 69,659 purchases. By time split with embargo: AUC at least 0.81, log loss at most 0.34, and no leak.

Above an AUC of 0.83 something looks into the future: recency alone has 0.81, and there is little more to know.
"""

import tomllib

import pytest

from agents.eventlog import ReadReport
from agents.mapping import FOLDER, load_mapping
from agents.snapshots import ActivityLog
from agents.train import evaluate, read_log, train
from streams.policy import parse_policy
from tests.data.cdnow import cdnow

pytestmark = pytest.mark.slow
MAPPING = load_mapping("cdnow")
POLICY = parse_policy(tomllib.loads((FOLDER.parent / "policies" / "real_estate.toml").read_text()), "real_estate.toml")
NEW_YEAR_1998, SPRING_1998 = 883_630_800.0, 891_320_400.0
"""1 January and 31 March 1998, New York."""


@pytest.fixture(scope="module")
def report() -> ReadReport:
    """Filled by `log`."""
    return ReadReport()


@pytest.fixture(scope="module")
def log(report: ReadReport) -> ActivityLog:
    """The whole log in columns."""
    return read_log(cdnow(), MAPPING, POLICY, report)


def test_every_row_is_read(log: ActivityLog, report: ReadReport) -> None:
    assert (report.rows, report.leads, len(log.keys)) == (69_659, 23_570, 23_570)
    assert report.events["purchase_completed"] == 69_659
    assert report.rejected.total() == report.skipped.total() == 0


@pytest.mark.parametrize("until", [None, NEW_YEAR_1998])
def test_the_model_reaches_its_figures_on_what_came_later(
    log: ActivityLog, until: float | None, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = train(log, MAPPING.label, until, "cdnow").manifest
    tested = manifest.tested
    assert tested is not None
    with capsys.disabled():
        for name, told in (("model", tested.model), ("recency alone", tested.recency)):
            figures = f"AUC {told['auc']:.4f}, log loss {told['log_loss']:.4f}"
            print(f"\nCDNOW from {tested.window.first:%Y-%m-%d}, {name}: {figures}", end="")  # noqa: T201 - to be seen
    assert manifest.trained.last <= tested.window.first
    assert tested.window.rows == 23_570 * tested.window.snapshots
    assert 0.81 <= tested.model["auc"] <= 0.83
    assert tested.model["auc"] > tested.recency["auc"]
    assert tested.model["log_loss"] <= 0.34
    assert tested.model["log_loss"] < tested.recency["log_loss"] < tested.base_log_loss


def test_a_model_from_a_later_cut_still_beats_recency(log: ActivityLog) -> None:
    """The last day of which the log tells 90 days more; there recency alone ranks at 0.83."""
    scorer = train(log, MAPPING.label, SPRING_1998, "cdnow").scorer()
    judged = evaluate(scorer, log, [SPRING_1998]).overall
    assert judged.model["auc"] > judged.recency["auc"]
    assert judged.model["log_loss"] < min(0.32, judged.recency["log_loss"])
