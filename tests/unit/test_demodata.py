"""The demo's data is what it says, or a sentence tells how to get it."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from agents import demodata
from schemas.errors import Unavailable
from tests.data.cdnow import cdnow


@pytest.fixture(autouse=True)
def _no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(demodata.OVERRIDE, raising=False)


def test_a_path_of_ones_own_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = tmp_path / "mine.txt"
    real.write_bytes(cdnow().read_bytes())
    monkeypatch.setenv(demodata.OVERRIDE, str(real))
    assert demodata.cdnow_path(tmp_path / "empty") == real
    monkeypatch.setenv(demodata.OVERRIDE, str(tmp_path / "nowhere"))
    with pytest.raises(Unavailable, match=f"{demodata.OVERRIDE}.*no file"):
        demodata.cdnow_path(tmp_path)


def test_another_file_under_its_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / demodata.NAME).write_text("customer_id date\n00001 20210101 1 2.00\n")
    with pytest.raises(Unavailable, match=r"not the CDNOW log.*delete it"):
        demodata.cdnow_path(tmp_path)


def test_offline_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A real pip, with an index where nobody answers."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(Unavailable, match=rf"cannot fetch.*{demodata.OVERRIDE}"):
        demodata.cdnow_path(tmp_path)
    assert not (tmp_path / demodata.NAME).exists()


def test_a_wheel_without_the_log_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if the package had changed: pip is given a folder with a wheel of that name and other content."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with ZipFile(wheels / "lifetimes-0.11.3-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            "lifetimes-0.11.3.dist-info/METADATA", "Metadata-Version: 2.1\nName: Lifetimes\nVersion: 0.11.3\n"
        )
        wheel.writestr("lifetimes-0.11.3.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("lifetimes-0.11.3.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    with pytest.raises(Unavailable, match=r"does not hold lifetimes/datasets/CDNOW_master\.txt"):
        demodata.cdnow_path(tmp_path / "cache")


def test_pip_is_there() -> None:
    """A virtual environment without pip could not fetch anything."""
    assert subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
