"""What docker-compose.yml, Prometheus, Grafana and the runbook name must exist: there need be no Docker engine to find out."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree as ET

import prometheus_client as prom
import pytest
import typer
import yaml  # type: ignore[import-untyped]

from agents import metrics
from agents.cli.main import app
from agents.couriers.run import ADAPTERS, lane_settings
from agents.couriers.settings import CourierSettings
from agents.lane import Lane, LaneSettings
from agents.safety import ExitCode, Lease
from agents.serve import HealthServer
from agents.settings import LeadSettings, Settings
from schemas.units import Channel

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("leadkeeper:")}
WORKERS = {name: service for name, service in OURS.items() if service.get("command", [""])[0] == "worker"}
CLASSES: dict[str, type[Settings]] = {"lead": LeadSettings, "couriers": CourierSettings, "report": Settings}
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
ALERTS = [rule for group in yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"] for rule in group["rules"]]
BOARD = json.loads((DEPLOY / "grafana/dashboards/leadkeeper.json").read_text())
TARGETS = [(panel["title"], target) for panel in BOARD["panels"] for target in panel.get("targets", ())]
EXPRESSIONS = [(rule["alert"], rule["expr"]) for rule in ALERTS] + [(title, target["expr"]) for title, target in TARGETS]
PAGES = [ROOT / "CHANGELOG.md", DEPLOY / "runbook.md", *sorted((DEPLOY / "decisions").glob("*.md"))]
TARGET_LABELS = {"job", "instance"}  # what Prometheus itself puts on everything it scrapes


def plain(value: object) -> str:
    """A value as compose resolves it with nothing set: `${NAME:-default}` is its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))


# -- docker-compose.yml and the image


def test_compose_itself_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no `docker compose` here to ask; the other tests of this file look at the same text")
    said = subprocess.run(
        [docker, "compose", "--profile", "*", "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr


def test_images_are_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    for image in [*bases, *(service["image"] for service in SERVICES.values())]:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+[\w.-]*", image), f"{image}: name a full version"


def test_our_image_and_kafka_have_the_versions_of_this_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {service["image"] for service in OURS.values()} == {f"leadkeeper:{version}"}
    kafka = next(e.text for e in ET.parse(DEPLOY / "kafka/pom.xml").iter() if (e.text or "").startswith("4."))
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka}", "the broker of the tests and of compose differ"


def parse_command(words: list[str]) -> None:
    """Let the CLI's own parser read a command line; raises click's UsageError when it does not fit."""
    command: Any = typer.main.get_command(app)
    context = None
    while hasattr(command, "commands"):
        assert words, f"{command.name}: stops at a group"
        assert words[0] in command.commands, f"leadkeeper has no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    context = command.make_context(command.name, [*words])
    context.close()


@pytest.mark.parametrize("name", [name for name in OURS if name != "mailbox"])
def test_commands_exist_with_these_options(name: str) -> None:
    assert "entrypoint" not in OURS[name]
    parse_command([plain(word) for word in OURS[name]["command"]])


def test_every_channel_with_a_courier_has_a_service() -> None:
    commands = [service["command"] for service in WORKERS.values()]
    served = [command[command.index("--channel") + 1] for command in commands if "--channel" in command]
    assert sorted(served) == sorted(ADAPTERS)


@pytest.mark.parametrize("name", WORKERS)
def test_settings_of_workers_are_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = CLASSES[WORKERS[name]["command"][1]]
    given = WORKERS[name]["environment"]
    unknown = {key for key in given if key.removeprefix("LEADKEEPER_").lower() not in kind.model_fields}
    assert not unknown, f"{name}: {kind.__name__} has no such field"
    for key, value in given.items():
        if value is not None:
            monkeypatch.setenv(key, plain(value))
    settings = kind()
    assert (settings.metrics_host, settings.metrics_port) == ("0.0.0.0", 9100)
    host, _, port = settings.bootstrap.partition(":")
    assert f"INSIDE://{host}:{port}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    if isinstance(settings, CourierSettings) and "email" in WORKERS[name]["command"]:
        assert settings.smtp_host not in ("", "127.0.0.1"), "a container's loopback has no mail server"
    if isinstance(settings, LeadSettings):
        assert f"models:{settings.models}" in WORKERS[name]["volumes"]


def test_no_secret_has_a_value() -> None:
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            assert not (value and re.search("PASSWORD|SECRET|TOKEN|KEY", key)), f"{name}: {key}"


def test_published_ports_are_on_loopback() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    for port in published:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
    assert not any("network_mode" in service for service in SERVICES.values())


def test_what_is_mounted_copied_and_ignored_exists() -> None:
    binds = {m.split(":")[0] for s in SERVICES.values() for m in s.get("volumes", ()) if m.startswith(".")}
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = {word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE) for word in line.split()}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    named = {line.removeprefix("!") for line in ignored if line and not line.startswith(("#", "*"))}
    builds = {str(Path(s["build"]["context"]) / s["build"]["dockerfile"]) for s in OURS.values()}
    assert {"schemas", "streams", "agents", "deploy"} <= copied
    assert binds
    for path in binds | copied | named | builds:
        assert (ROOT / path).exists(), path
    for path in copied:
        assert f"!{path.split('/')[0]}" in ignored, f"{path}: .dockerignore keeps it from the builder"
    volumes = {m.split(":")[0] for s in SERVICES.values() for m in s.get("volumes", ()) if not m.startswith(".")}
    assert volumes == set(COMPOSE["volumes"])


def test_services_say_how_they_are_and_may_finish() -> None:
    once = {n for s in SERVICES.values() for n, need in s.get("depends_on", {}).items() if need["condition"].endswith("successfully")}
    assert once == {"topics"}
    for name, service in SERVICES.items():
        assert "healthcheck" in service or name in once, f"{name}: no health check"
        assert service.get("restart"), f"{name}: no restart policy"
    for name, service in WORKERS.items():
        lane = LaneSettings("", "") if service["command"][1] != "couriers" else lane_settings(Channel.EMAIL, CourierSettings())
        assert float(service["stop_grace_period"].removesuffix("s")) > lane.drain_s, f"{name}: killed while it drains"


def test_health_check_of_workers_sees_the_health_server() -> None:
    """The very line of the compose file, run against the workers' own server."""
    lines = {tuple(service["healthcheck"]["test"]) for service in WORKERS.values()}
    assert len(lines) == 1
    kind, python, *words = lines.pop()
    assert (kind, python) == ("CMD", "python")

    async def check(port: int) -> int:
        run = [word.replace(":9100", f":{port}") for word in words]
        asked = await asyncio.create_subprocess_exec(sys.executable, *run, stderr=asyncio.subprocess.DEVNULL)
        return await asked.wait()

    async def work() -> tuple[int, int]:
        server = HealthServer(cast("Lane", SimpleNamespace(lease=Lease(6.0))), "127.0.0.1", 0)
        await server.start()
        up = await check(server.port)
        await server.stop()
        return up, await check(server.port)

    up, down = asyncio.run(work())
    assert up == 0
    assert down != 0


def test_mail_catcher_starts_as_told(tmp_path: Path) -> None:
    """Entry point and health check of the compose file, on loopback and a free port."""
    box = SERVICES["mailbox"]
    start = [word.replace("0.0.0.0", "127.0.0.1") for word in box["entrypoint"][1:]]
    assert start != box["entrypoint"][1:]
    where = [str(tmp_path), *box["command"][1:-1], "0"]
    with subprocess.Popen([sys.executable, *start, *where], cwd=ROOT, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}) as server:
        assert server.stdout is not None
        try:
            port = json.loads(server.stdout.readline())["port"]
            probe = [word.replace("2525", str(port)) for word in box["healthcheck"]["test"][2:]]
            assert subprocess.run([sys.executable, *probe], check=False).returncode == 0
        finally:
            server.terminate()
    assert box["command"][-1] == plain(SERVICES["courier-email"]["environment"]["LEADKEEPER_SMTP_PORT"])


# -- Prometheus and Grafana


def declared() -> dict[str, tuple[str, set[str]]]:
    """Sample name -> (name in agents/metrics.py, labels)."""
    found: dict[str, tuple[str, set[str]]] = {}
    for name, metric in vars(metrics).items():
        if isinstance(metric, prom.Counter | prom.Gauge | prom.Histogram):
            base, labels = metric.describe()[0].name, set(metric._labelnames)
            if isinstance(metric, prom.Histogram):
                found |= {base + "_bucket": (name, labels | {"le"}), base + "_sum": (name, labels), base + "_count": (name, labels)}
            else:
                found[base + ("_total" if isinstance(metric, prom.Counter) else "")] = (name, labels)
    return found


METRICS = declared()


def names_in(expression: str) -> tuple[dict[str, set[str]], set[str]]:
    """Metrics with the labels they are chosen by, and the labels grouped by. What is no function or keyword is a metric."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    chosen = re.findall(r"(\w+)\{([^}]*)\}", bare)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    grouping = r"\b(?:by|on)\s*\(([^)]*)\)"
    grouped = {label for group in re.findall(grouping, bare) for label in re.findall(r"\w+", group)}
    words = set(re.findall(r"\b[a-z_]\w*\b(?!\s*\()", re.sub(grouping, "", bare)))
    names = words - {"and", "or", "unless", "sum", "max", "min", "avg"}
    return {name: {label for n, c in chosen if n == name for label in re.findall(r"(\w+)\s*[=!]", c)} for name in names}, grouped


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
    assert SERVICES[host]["ports"][0].endswith(f":{port}")
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/leadkeeper.yml").read_text())["providers"][0]
    mounted = dict(mount.split(":")[1::-1] for mount in SERVICES["grafana"]["volumes"])
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    for path in (provider["options"]["path"], home.rpartition("/")[0]):
        assert (ROOT / mounted[path] / home.rpartition("/")[2]).exists()


# -- what people read


def test_runbook_has_a_section_for_each_alert_and_a_line_for_each_exit_code() -> None:
    runbook = (DEPLOY / "runbook.md").read_text()
    sections = set(re.findall(r"^### (\w+)$", runbook, re.MULTILINE))
    assert sections == {rule["alert"] for rule in ALERTS}
    for rule in ALERTS:
        assert rule["annotations"]["runbook"] == f"deploy/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")
    listed = set(map(int, re.findall(r"^\| (\d+) \|", runbook, re.MULTILINE)))
    assert listed >= set(ExitCode)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_what_exists(page: Path) -> None:
    text = page.read_text()
    fields = set(LeadSettings.model_fields) | set(CourierSettings.model_fields)
    for name in re.findall(r"LEADKEEPER_([A-Z_]+)", text):
        assert name.lower() in fields, f"LEADKEEPER_{name}"
    for name in re.findall(r"\bleadkeeper_\w+", text):
        assert name in METRICS, name
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert link.startswith("https://") or (page.parent / link).exists(), link
    for path in re.findall(r"`((?:agents|streams|schemas|deploy|tests)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    for command in re.findall(r"\bleadkeeper ((?:worker|topics|lead|dlq)(?: [a-z]+)?)\b", text):
        group: Any = typer.main.get_command(app)
        for word in command.split():
            group = group.commands.get(word)
            assert group is not None, f"leadkeeper {command}"


def test_every_decision_is_in_the_index() -> None:
    index = (DEPLOY / "decisions/README.md").read_text()
    pages = {path.name for path in (DEPLOY / "decisions").glob("[0-9]*.md")}
    assert set(re.findall(r"\((\d{4}-[\w-]+\.md)\)", index)) == pages
    assert len(pages) == len({name[:4] for name in pages})
