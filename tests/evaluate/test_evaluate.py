"""`make evaluate` itself: it says what is missing, and its table tells a good model from none."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agents.mapping import load_mapping
from agents.policyfile.read import load_policy
from agents.settings import LeadSettings
from agents.train import read_log
from streams.measure import ece
from streams.season import shifted
from tests.evaluate.__main__ import DATA, app
from tests.evaluate.crossed import crossed
from tests.evaluate.rows import MEASURES, heading, snapshot_rows
from tests.evaluate.sets import SETS
from tests.evaluate.walk import level_known, mean, told, walk
from tests.evaluate.yardstick import bank, yardstick


def source(name: str) -> list[Path]:
    """Files of a set; skips where they are not."""
    (one,) = (s for s in SETS if s.mapping == name)
    files = one.files(DATA)
    if not files:
        pytest.skip(one.lacking(DATA))
    return files


def test_without_data_it_says_what_to_get_where(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--data", str(tmp_path)])
    assert done.exit_code == 66
    told = done.output.replace("\n", "")
    for one in SETS:
        assert f"{one.mapping}: skipped, no {tmp_path / one.pattern}: get " in told


def test_a_set_that_is_not_there_is_a_wrong_word() -> None:
    assert CliRunner().invoke(app, ["--only", "nothing"]).exit_code == 64


@pytest.mark.parametrize(("told", "status"), [("AUC >= 0.81: yes", 0), ("AUC >= 0.81: NO; flags: none", 1)])
def test_it_ends_with_1_where_a_goal_is_missed(
    told: str, status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "telco").mkdir()
    (tmp_path / "telco" / "one.csv").touch()
    monkeypatch.setattr("tests.evaluate.__main__.snapshot_rows", lambda *_: told)
    done = CliRunner().invoke(app, ["--data", str(tmp_path), "--only", "telco"])
    assert (done.exit_code, told in done.output) == (status, True)


@pytest.mark.slow
def test_bank_leads_are_ranked_as_well_as_by_hand_and_better_than_by_any_single_feature() -> None:
    files, layout = source("bank_leads"), load_mapping("bank_leads")
    log = read_log(files, layout, load_policy(LeadSettings().policy))
    legs = list(walk(log, layout.label, layout.name))
    model, three = told(legs), mean(legs, "rfm")
    assert all(leg.card.window.first.timestamp() >= leg.model.manifest.trained.last.timestamp() for leg in legs)
    assert model["auc"] >= yardstick(log, layout.label, legs, bank(files)) - 0.02
    assert all(leg.card.single and leg.card.model["auc"] > leg.card.single[1] for leg in legs)
    assert model["log_loss"] < three["log_loss"]
    assert model["ece"] <= max(0.03, model["ece_by_chance_95"])
    by = crossed(log, legs[-1])
    assert 0 < by["as tested"].rows < by["at any age"].rows
    assert by["at any age"].ece <= 0.03
    assert by["at any age"].at_least < 0.01


@pytest.mark.parametrize(("name", "least"), [("telco", 0.83), ("x_leads", 0.86)])
def test_tables_reach_what_is_known_of_them(name: str, least: float) -> None:
    """IBM's table: 0.84 to 0.85 whatever the method, honestly split (notes on published figures)."""
    lines = snapshot_rows(name, source(name)).splitlines()
    figures = dict(zip(MEASURES, map(float, lines[1].split()[1:]), strict=True))
    assert least <= figures["auc"] < 0.90
    assert figures["ece"] < 0.05
    assert "flags: none" in lines[-1]


def test_what_the_level_alone_spoils_is_mended_by_knowing_it_and_nothing_else_is() -> None:
    rng = np.random.default_rng(4)
    t, right = np.repeat([0.0, 1.0], 20_000), rng.uniform(0.1, 0.9, 40_000)
    y = (rng.random(40_000) < right).astype(float)
    low = shifted(right, -0.8)
    assert ece(low, y) > 0.1
    assert ece(level_known(low, y, t), y) < 0.01, "the level was all that was wrong"
    assert ece(level_known(np.where(right > 0.5, 0.2, 0.8), y, t), y) > 0.2, "a wrong order stays wrong"


def test_the_table_fits_the_screen() -> None:
    assert len(heading()) <= 80
