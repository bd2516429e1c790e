"""`leadkeeper worker …`: the long-running processes."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from agents import logs
from agents.cli.common import CONFIG, UNAVAILABLE, fail, load, wait
from agents.settings import LeadSettings, ModelSettings, Settings
from schemas import topics
from schemas.errors import LeadkeeperError
from schemas.units import Channel

app = typer.Typer(no_args_is_help=True, help="Run the long-running processes: lead, couriers, report, models.")

Processes = Annotated[
    int, typer.Option("--processes", "-n", min=0, help="how many, each restarted when it ends; 0: this process alone")
]
MetricsPort = Annotated[int | None, typer.Option(help="of /metrics, /health, /ready; 0: a free one")]


@app.command(epilog="Example: LEADKEEPER_BOOTSTRAP=kafka:9092 leadkeeper worker lead --processes 2")
def lead(processes: Processes = 1, metrics_port: MetricsPort = None) -> None:
    """Fold lead.events into assessments, decisions, commands, escalations and outcomes."""
    settings = load(LeadSettings, metrics_port=metrics_port)
    if processes:
        supervise(["worker", "lead"], settings, processes)
    from agents.app import serve
    from agents.lane import LaneSettings
    from agents.lead import LeadJob

    logs.configure(settings.log_level)
    partitions = _checked(settings)
    try:
        job = LeadJob(settings, partitions)
    except LeadkeeperError as error:
        fail(CONFIG, str(error))
    lane = LaneSettings(
        bootstrap=settings.bootstrap,
        group=f"{settings.topic_prefix}lead-agent",
        client_id="lead-agent",
        session_timeout_s=settings.session_timeout_s,
        commit_interval_s=settings.commit_interval_s,
        max_records=settings.max_records,
    )
    raise typer.Exit(int(wait(serve(lane, [settings.topic_prefix + topics.EVENTS.name], job, name="leads"))))


@app.command(
    epilog="Example: leadkeeper worker couriers            (one process per channel)\n\nExample: leadkeeper worker couriers --channel email"
)
def couriers(
    channel: Annotated[
        Channel | None, typer.Option(help="serve this channel only; default: one process for each with an adapter")
    ] = None,
    processes: Processes = 1,
    metrics_port: MetricsPort = None,
) -> None:
    """Deliver commands: ledger, fence, provider call, receipt."""
    from agents.couriers.run import ADAPTERS, run_courier
    from agents.couriers.settings import CourierSettings

    settings = load(CourierSettings, metrics_port=metrics_port)
    if channel is not None and channel not in ADAPTERS:
        served = ", ".join(sorted(ADAPTERS))
        fail(
            CONFIG,
            f"{channel} has no courier here; its commands wait on interventions.{channel} for consumers of yours. Served: {served}",
        )
    if channel is None:
        return supervise_many(
            [
                ["worker", "couriers", "--channel", name, "--processes", "0", "--metrics-port", "0"]
                for name in sorted(ADAPTERS)
            ]
        )
    if processes:
        return supervise(["worker", "couriers", "--channel", channel], settings, processes)
    logs.configure(settings.log_level)
    _checked(settings)
    try:
        raise typer.Exit(int(wait(run_courier(channel, settings))))
    except LeadkeeperError as error:
        fail(CONFIG, str(error))


@app.command(epilog="Example: leadkeeper worker report --metrics-port 9102")
def report(processes: Processes = 1, metrics_port: MetricsPort = None) -> None:
    """Keep views in Redis and figures for Prometheus."""
    settings = load(Settings, metrics_port=metrics_port)
    if processes:
        supervise(["worker", "report"], settings, processes)
    from agents.app import serve
    from agents.report import READS, ReportJob, lane_settings

    logs.configure(settings.log_level)
    _checked(settings)
    names = [settings.topic_prefix + topic.name for topic in READS]
    raise typer.Exit(int(wait(serve(lane_settings(settings), names, ReportJob(settings), name="report"))))


@app.command(epilog="Example: LEADKEEPER_GRADE_ACTION=warn leadkeeper worker models")
def models(processes: Processes = 1, metrics_port: MetricsPort = None) -> None:
    """Grade told risks every night, go back to the version before when a calibration is broken, and put in force what was learned.

    One process is enough.
    """
    settings = load(ModelSettings, metrics_port=metrics_port)
    if processes:
        supervise(["worker", "models"], settings, 1)
    from agents.model_watch import watch

    logs.configure(settings.log_level)
    _checked(settings)
    raise typer.Exit(int(wait(watch(settings))))


def supervise(command: Sequence[str], settings: Settings, processes: int) -> None:
    """Keep so many copies of a command running, each with a metrics port of its own, counted up from the one given."""
    ports = [settings.metrics_port + n if settings.metrics_port else 0 for n in range(processes)]
    supervise_many([[*command, "--processes", "0", "--metrics-port", str(port)] for port in ports])


def supervise_many(commands: Sequence[Sequence[str]]) -> None:
    """One copy of each of several commands, each restarted by itself."""
    from agents.supervisor import Supervisor, until_stopped

    async def together() -> int:
        program = [sys.executable, "-P", "-m", "agents"]
        names = [" ".join(word for word in c[1:] if not word.startswith("-") and not word.isdigit()) for c in commands]
        return await until_stopped([Supervisor([*program, *c], name=n) for c, n in zip(commands, names, strict=True)])

    raise typer.Exit(asyncio.run(together()))


def _checked(settings: Settings) -> int:
    """The number of partitions; ends when topics are missing or do not fit together."""
    from agents.broker import probe
    from agents.topics import Findings, survey

    async def look() -> Findings:
        flavour = await probe(settings.bootstrap)
        return await survey(settings.bootstrap, settings.topic_prefix, flavour, event_time=settings.clock == "event")

    partitions, wrong, _ = wait(look())
    if wrong:
        fail(UNAVAILABLE, f"the topics are not as they must be ({len(wrong)} findings), first: {wrong[0]}")
    return partitions
