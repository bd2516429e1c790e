"""Runs leave a folder each; only the newest stay, and one that is still up is never taken away."""

from pathlib import Path

from agents.tryout.runs import KEEP, RunFolder


def test_a_folder_is_made_when_it_is_needed_and_once(tmp_path: Path) -> None:
    run = RunFolder("demo", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    assert run.make() == run.make()
    other = RunFolder("demo", tmp_path / "runs").make()
    assert len({run.make(), other}) == 2, "also two within a second"


def test_the_newest_runs_stay_and_what_is_no_run_is_left_alone(tmp_path: Path) -> None:
    for day in range(1, 6):
        (tmp_path / f"demo-2026010{day}-120000").mkdir()
    for name in ("notes", "demo-2026", "20260101-120000"):
        (tmp_path / name).mkdir()
    newest = RunFolder("shop", tmp_path).make()
    left = {path.name for path in tmp_path.iterdir()}
    runs = {newest.name, "demo-20260105-120000", "demo-20260104-120000"}
    assert len(runs) == KEEP
    assert left == runs | {"notes", "demo-2026", "20260101-120000"}


def test_a_run_that_is_still_up_stays(tmp_path: Path) -> None:
    up = [RunFolder("first", tmp_path) for _ in range(KEEP + 2)]
    folders = {run.make() for run in up}
    assert set(tmp_path.iterdir()) == folders
