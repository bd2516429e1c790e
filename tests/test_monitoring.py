"""Prometheus and Grafana ask for what the workers really tell, and find it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import prometheus_client as prom
import pytest
import yaml  # type: ignore[import-untyped]

from agents import metrics

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
WORKERS = {name: s for name, s in COMPOSE["services"].items() if s.get("command", [""])[0] == "worker"}
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
GROUPS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
ALERTS = [rule for group in GROUPS for rule in group["rules"]]
BOARD = json.loads((DEPLOY / "grafana/dashboards/leadkeeper.json").read_text())
TARGETS = [(panel["title"], target) for panel in BOARD["panels"] for target in panel.get("targets", ())]
EXPRESSIONS = [(rule["alert"], rule["expr"]) for rule in ALERTS] + [(title, t["expr"]) for title, t in TARGETS]
TARGET_LABELS = {"job", "instance"}  # what Prometheus itself puts on everything it scrapes


def declared() -> dict[str, tuple[str, set[str]]]:
    """Sample name -> (name in agents/metrics.py, labels)."""
    found: dict[str, tuple[str, set[str]]] = {}
    for name, metric in vars(metrics).items():
        if isinstance(metric, prom.Counter | prom.Gauge | prom.Histogram):
            base, labels = next(iter(metric.describe())).name, set(metric._labelnames)
            if isinstance(metric, prom.Histogram):
                found |= {
                    base + "_bucket": (name, labels | {"le"}),
                    base + "_sum": (name, labels),
                    base + "_count": (name, labels),
                }
            else:
                found[base + ("_total" if isinstance(metric, prom.Counter) else "")] = (name, labels)
    return found


METRICS = declared()


def names_in(expression: str) -> tuple[dict[str, set[str]], set[str]]:
    """Metrics with the labels they are chosen by, and labels grouped by. What is no function or keyword is a metric."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    chosen = re.findall(r"(\w+)\{([^}]*)\}", bare)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    grouping = r"\b(?:by|on)\s*\(([^)]*)\)"
    grouped = {label for group in re.findall(grouping, bare) for label in re.findall(r"\w+", group)}
    words = set(re.findall(r"\b[a-z_]\w*\b(?!\s*\()", re.sub(grouping, "", bare)))
    names = words - {"and", "or", "unless", "sum", "max", "min", "avg"}
    return {
        name: {label for n, c in chosen if n == name for label in re.findall(r"(\w+)\s*[=!]", c)} for name in names
    }, grouped


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_expressions_use_declared_metrics_and_their_labels(where: str, expression: str) -> None:
    used, grouped = names_in(expression)
    assert used, where
    unknown = used.keys() - METRICS.keys() - {"up"}  # `up` is Prometheus's own: whether the scrape worked
    assert not unknown, f"{where}: not in agents/metrics.py"
    for name in used.keys() - {"up"}:
        lacks = (grouped | used[name]) - METRICS[name][1] - TARGET_LABELS
        assert not lacks, f"{where}: {name} has no such label"


def test_labels_in_legends_survive_the_grouping() -> None:
    for title, target in TARGETS:
        legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert legend <= names_in(target["expr"])[1], f"{title}: {target['legendFormat']}"


def test_metrics_in_use_are_set_somewhere() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "agents").rglob("*.py") if path.name != "metrics.py")
    used = {name for _, expression in EXPRESSIONS for name in names_in(expression)[0]} - {"up"}
    silent = sorted(name for name in used if not re.search(rf"\bmetrics\.{METRICS[name][0]}\b", code))
    assert not silent, "declared and shown, but no code ever sets them"


def test_prometheus_asks_every_worker_and_misses_each() -> None:
    jobs = {job["job_name"]: job["dns_sd_configs"] for job in PROMETHEUS["scrape_configs"]}
    ports = {name: int(service["environment"]["LEADKEEPER_METRICS_PORT"]) for name, service in WORKERS.items()}
    assert {name: [(c["names"], c["port"]) for c in configs] for name, configs in jobs.items()} == {
        name: [([name], port)] for name, port in ports.items()
    }
    down = next(rule["expr"] for rule in ALERTS if rule["alert"] == "WorkerDown")
    assert set(re.findall(r'absent\(up\{job="([^"]+)"\}\)', down)) == set(WORKERS)
    assert all((DEPLOY / "prometheus" / name).exists() for name in PROMETHEUS["rule_files"])


def test_dashboard_is_whole_and_finds_its_data() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert len(sources) == 1
    assert {target["datasource"]["uid"] for _, target in TARGETS} == {sources[0]["uid"]}
    host, port = re.fullmatch(r"http://([\w-]+):(\d+)", sources[0]["url"]).groups()  # type: ignore[union-attr]
    assert COMPOSE["services"][host]["ports"][0].endswith(f":{port}")
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/leadkeeper.yml").read_text())["providers"][0]
    mounted = dict(mount.split(":")[1::-1] for mount in COMPOSE["services"]["grafana"]["volumes"])
    home = COMPOSE["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    for path in (provider["options"]["path"], home.rpartition("/")[0]):
        assert (ROOT / mounted[path] / home.rpartition("/")[2]).exists()
