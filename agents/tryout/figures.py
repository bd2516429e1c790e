"""Figures scraped from the workers' own /metrics: what the live view shows is what Prometheus would see."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping

from prometheus_client.parser import text_string_to_metric_families

from agents.child import LOOPBACK

Labels = Mapping[str, str]


def answers(port: int, path: str) -> bool:
    """Whether a worker answers 200 on a path."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=1) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def progress(port: int) -> dict[str, float]:
    """What a worker's /ready says of its progress; empty when it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/ready", timeout=2) as response:
            body: dict[str, float] = json.load(response)
            return body
    except (urllib.error.URLError, OSError, ValueError):
        return {}


class Figures:
    """One scrape of several workers."""

    def __init__(self, ports: Iterable[int]) -> None:
        """Ask each worker once; one that does not answer in time is left out."""
        self._samples: list[tuple[str, Labels, float]] = []
        for port in ports:
            try:
                with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=2) as response:
                    text = response.read().decode()
            except (urllib.error.URLError, OSError):
                continue
            for family in text_string_to_metric_families(text):
                self._samples += [(s.name, s.labels, s.value) for s in family.samples]

    def of(self, name: str, **labels: str) -> list[tuple[Labels, float]]:
        """All samples of a metric with these labels."""
        return [(given, v) for n, given, v in self._samples if n == name and labels.items() <= given.items()]

    def sum(self, name: str, **labels: str) -> float:
        """Their sum; 0 where there is none."""
        return sum(v for _, v in self.of(name, **labels))

    def least(self, name: str) -> float:
        """The smallest; 0 where there is none."""
        return min((v for _, v in self.of(name)), default=0.0)

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Sums by one label, without zeros."""
        found: dict[str, float] = {}
        for given, value in self.of(name, **labels):
            found[given[label]] = found.get(given[label], 0.0) + value
        return {k: v for k, v in found.items() if v}

    def quantile(self, histogram: str, q: float) -> float | None:
        """Upper bound of the bucket in which a quantile lies, in the histogram's unit; None when it is empty."""
        buckets = sorted((float(given["le"]), v) for given, v in self.of(f"{histogram}_bucket"))
        if not buckets or not buckets[-1][1]:
            return None
        return next(bound for bound, n in buckets if n >= q * buckets[-1][1])
