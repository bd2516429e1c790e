"""What docker-compose.yml, the image and the pages name must exist: there need be no Docker engine to find out."""

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

import pytest
import typer
import yaml  # type: ignore[import-untyped]

from agents.cli.main import app
from agents.couriers.run import ADAPTERS, lane_settings
from agents.couriers.settings import CourierSettings
from agents.lane import Lane, LaneSettings
from agents.safety import ExitCode, Lease
from agents.serve import HealthServer
from agents.settings import LeadSettings, ModelSettings, Settings
from schemas.units import Channel
from tests.brokers import FORCE
from tests.test_monitoring import ALERTS, METRICS

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("leadkeeper:")}
WORKERS = {name: service for name, service in OURS.items() if service.get("command", [""])[0] == "worker"}
CLASSES: dict[str, type[Settings]] = {
    "lead": LeadSettings,
    "couriers": CourierSettings,
    "report": Settings,
    "models": ModelSettings,
}
PAGES = [ROOT / "CHANGELOG.md", DEPLOY / "runbook.md", *sorted((DEPLOY / "decisions").glob("*.md"))]


def plain(value: object) -> str:
    """A value as compose resolves it with nothing set: `${NAME:-default}` is its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))


# -- docker-compose.yml and the image


def test_compose_itself_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no `docker compose` here to ask; the other tests of this file look at the same text")
    said = subprocess.run(
        [docker, "compose", "--profile", "*", "config", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
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
            given = value and not re.fullmatch(
                r"\$\{\w+(:-)?\}", str(value)
            )  # the operator's own, from the environment
            assert not (given and re.search("PASSWORD|SECRET|TOKEN|KEY", key)), f"{name}: {key}"


def test_published_ports_are_on_loopback() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    for port in published:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
    assert not any("network_mode" in service for service in SERVICES.values())


def test_what_is_mounted_copied_and_ignored_exists() -> None:
    binds = {m.split(":")[0] for s in SERVICES.values() for m in s.get("volumes", ()) if m.startswith(".")}
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE) for word in line.split()
    }
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
    once = {
        n
        for s in SERVICES.values()
        for n, need in s.get("depends_on", {}).items()
        if need["condition"].endswith("successfully")
    }
    assert once == {"topics"}
    for name, service in SERVICES.items():
        assert "healthcheck" in service or name in once, f"{name}: no health check"
        assert service.get("restart"), f"{name}: no restart policy"
    for name, service in WORKERS.items():
        lane = (
            LaneSettings("", "")
            if service["command"][1] != "couriers"
            else lane_settings(Channel.EMAIL, CourierSettings())
        )
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


def test_mail_catcher_listens_where_it_is_told(tmp_path: Path) -> None:
    """Entry point and health check of the compose file, on an address that is not the program's own choice."""
    box = SERVICES["mailbox"]
    address = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"  # elsewhere loopback is one address
    start = [word.replace("0.0.0.0", address) for word in box["entrypoint"][1:]]
    assert start != box["entrypoint"][1:]
    command = [sys.executable, *start, str(tmp_path), *box["command"][1:-1], "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment) as server:
        assert server.stdout is not None
        try:
            port = json.loads(server.stdout.readline())["port"]
            probe = [
                word.replace("127.0.0.1", address).replace("2525", str(port)) for word in box["healthcheck"]["test"][2:]
            ]
            assert subprocess.run([sys.executable, *probe], check=False).returncode == 0
        finally:
            server.terminate()
    assert box["command"][-1] == plain(SERVICES["courier-email"]["environment"]["LEADKEEPER_SMTP_PORT"])


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
    fields = {f"LEADKEEPER_{name.upper()}" for kind in CLASSES.values() for name in kind.model_fields}
    for name in re.findall(r"LEADKEEPER_[A-Z_]+", text):
        assert name in fields | {FORCE}, name
    for name in re.findall(r"\bleadkeeper_\w+", text):
        assert name in METRICS, name
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert link.startswith("https://") or (page.parent / link).exists(), link
    for path in re.findall(r"`((?:agents|streams|schemas|deploy|tests)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    for command in re.findall(r"\bleadkeeper ((?:worker|topics|lead|dlq|inbox)(?: [a-z]+)?)\b", text):
        group: Any = typer.main.get_command(app)
        for word in command.split():
            group = group.commands.get(word)
            assert group is not None, f"leadkeeper {command}"


def test_every_decision_is_in_the_index() -> None:
    index = (DEPLOY / "decisions/README.md").read_text()
    pages = {path.name for path in (DEPLOY / "decisions").glob("[0-9]*.md")}
    assert set(re.findall(r"\((\d{4}-[\w-]+\.md)\)", index)) == pages
    assert len(pages) == len({name[:4] for name in pages})
