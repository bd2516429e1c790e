"""Builds the Java peer with Maven into ``$XDG_CACHE_HOME/leadkeeper/bench-<hash of its sources>``; nothing in the tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

PROJECT = Path(__file__).with_name("kafka_streams")


class CannotBuildError(RuntimeError):
    """A tool is missing or Maven failed; the text says what to do."""


def missing() -> str:
    """Return what keeps the Java peer from running here; empty when nothing does."""
    absent = [tool for tool in ("java", "javac", "mvn") if not shutil.which(tool)]
    return f"{', '.join(absent)} not found: install a JDK (17 or later) and Maven" if absent else ""


def version() -> str:
    """Return the version of Kafka Streams that the project names."""
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    for dependency in ET.parse(PROJECT / "pom.xml").iterfind("m:dependencies/m:dependency", space):
        if dependency.findtext("m:artifactId", namespaces=space) == "kafka-streams":
            return str(dependency.findtext("m:version", namespaces=space))
    raise CannotBuildError("pom.xml names no kafka-streams")


def class_path() -> str:
    """Return the class path of the program and its libraries, building them when the sources are new.

    Raises:
        CannotBuildError: Maven failed; the end of what it said.
    """
    sources = sorted(path for path in PROJECT.rglob("*") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leadkeeper"
    built = cache / f"bench-{digest}"
    if not built.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # Built aside and then renamed: nobody ever runs half a program.
        with tempfile.TemporaryDirectory(prefix=f"{built.name}.", dir=cache) as aside:
            out = Path(aside, "out")
            goals = [
                "compile",
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={out}/jars",
            ]
            done = subprocess.run(
                ["mvn", "-q", "-B", "-f", str(PROJECT / "pom.xml"), f"-Dbench.out={out}", *goals],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise CannotBuildError(
                    f"mvn could not build the Kafka Streams program:\n{(done.stdout + done.stderr)[-2000:]}"
                )
            out.rename(built)
    return f"{built / 'classes'}{os.pathsep}{built / 'jars'}/*"
