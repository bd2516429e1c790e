"""The CDNOW purchase log for the demo: 69,659 real purchases of 23,570 customers, 1997-1998.

It ships inside the wheel of the Python package `Lifetimes` 0.11.3 (MIT), which is fetched without its dependencies and
only unpacked, never installed. Original: Fader and Hardie, published for research.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from schemas.errors import Unavailable

OVERRIDE = "LEADKEEPER_CDNOW"
NAME = "CDNOW_master.txt"
PACKAGE = "Lifetimes==0.11.3"
INSIDE = f"lifetimes/datasets/{NAME}"
SHA256 = "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"
PURCHASES, CUSTOMERS = 69_659, 23_570
PATIENCE_SECONDS = 90
_DOWNLOAD = (
    "download",
    "--quiet",
    "--no-deps",
    "--only-binary=:all:",
    "--no-input",
    "--retries",
    "2",
    "--timeout",
    "15",
)
_BY_HAND = f"put {NAME} (from the wheel {PACKAGE}, {INSIDE}) somewhere and set {OVERRIDE} to its path"


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/leadkeeper`, else `~/.cache/leadkeeper`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leadkeeper"


def cdnow_path(cache_dir: Path | None = None) -> Path:
    """Where the log lies; fetched into the cache when it is not there yet, and checked each time.

    Raises:
        Unavailable: it cannot be had, or what is there is not the log; says how to help.
    """
    if given := os.environ.get(OVERRIDE):
        path = Path(given)
        if not path.is_file():
            raise Unavailable(f"{OVERRIDE} names {path}, which is no file; correct it or unset it")
    else:
        path = (cache_dir or default_cache()) / NAME
        if not path.is_file():
            _fetch(path)
    _check(path)
    return path


def _fetch(path: Path) -> None:
    with TemporaryDirectory(prefix="leadkeeper-") as folder:
        command = [sys.executable, "-m", "pip", *_DOWNLOAD, "--dest", folder, PACKAGE]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"{PACKAGE} did not arrive within {PATIENCE_SECONDS} s: check the network, or {_BY_HAND}"
            ) from None
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            why = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise Unavailable(f"cannot fetch the demo's data, {PACKAGE} ({why}): go online once, or {_BY_HAND}")
        try:
            data = zipfile.ZipFile(wheels[0]).read(INSIDE)
        except (KeyError, zipfile.BadZipFile):
            raise Unavailable(f"{wheels[0].name} does not hold {INSIDE}: {_BY_HAND}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)


def _check(path: Path) -> None:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise Unavailable(f"{path} is not the CDNOW log (its SHA-256 differs): delete it and try again, or {_BY_HAND}")
    rows = data.decode("ascii").splitlines()[1:]
    customers = len({row.split(None, 1)[0] for row in rows if row.strip()})
    assert (len(rows), customers) == (PURCHASES, CUSTOMERS)
