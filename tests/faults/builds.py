"""A newer build of the product, as the next release may be: it keeps more of each lead and of each partition than this one knows."""

import ast
import shutil
from pathlib import Path

from tests.faults.world import ROOT

PACKAGES = ("agents", "schemas", "streams", "deploy", "tests")
_LAST_FIELD = """("spare", "<u4"),"""


def newer_build(folder: Path) -> Path:
    """A copy of the source in this folder, with a field more in the row, the record and the marker; returns its root."""
    root = folder / "newer"
    if not root.exists():
        for package in PACKAGES:
            shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
        features = root / "streams/features.py"
        before, field, after = features.read_text().partition(_LAST_FIELD)
        assert field, f"{_LAST_FIELD} is not in {features}"
        features.write_text(f'{before}{field} ("newer", "<u8"),{after}')
        _append(root / "streams/record.py", "LeadRecord")
        _append(root / "streams/state.py", "PartitionState")
    return root


def _append(file: Path, name: str) -> None:
    """Give a class one more field, its last."""
    text = file.read_text()
    found = next(n for n in ast.parse(text).body if isinstance(n, ast.ClassDef) and n.name == name)
    lines = text.splitlines()
    file.write_text("\n".join([*lines[: found.end_lineno], '    newer: str = "newer"', *lines[found.end_lineno :], ""]))
