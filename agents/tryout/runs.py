"""Folders of runs: what a replay or a training leaves behind, the newest few of them."""

import fcntl
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from agents.settings import ROOT

RUNS = ROOT / ".leadkeeper"
KEEP = 3
_RUN = re.compile(r".+-(\d{8}-\d{6}(?:\.\d+)?)")


class RunFolder:
    """The folder of one run, made when something is to be written; then older ones are removed.

    It is locked while this process lives, so that another run does not take it away from under a `--keep`.

    Args:
        name: What was run; the time is added.
        root: Where the folders of all runs are.
    """

    def __init__(self, name: str, root: Path = RUNS) -> None:
        """Nothing is made yet."""
        self._name, self._root = name, root
        self._path: Path | None = None
        self._lock = -1

    def make(self) -> Path:
        """The folder; made at the first call."""
        if self._path is None:
            stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
            self._path = self._create([f"{self._name}-{stamp}", *(f"{self._name}-{stamp}.{n}" for n in range(1, 100))])
            self._lock = os.open(self._path, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            _forget(self._root, self._path)
        return self._path

    def _create(self, names: list[str]) -> Path:
        self._root.mkdir(parents=True, exist_ok=True)
        for name in names[:-1]:
            try:
                (self._root / name).mkdir()
            except FileExistsError:
                continue
            return self._root / name
        (self._root / names[-1]).mkdir()
        return self._root / names[-1]


def _forget(root: Path, newest: Path) -> None:
    """Remove all runs but the newest few; one that is still up stays."""
    runs = [(found[1], path) for path in root.iterdir() if path.is_dir() and (found := _RUN.fullmatch(path.name))]
    older = [path for _, path in sorted(runs, reverse=True) if path != newest]
    for path in older[KEEP - 1 :]:
        lock = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
