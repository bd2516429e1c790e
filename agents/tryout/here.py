"""A plan through a stack of our own, from training to the last word; and staying up afterwards."""

import asyncio
import shlex
import signal

from rich.console import Console

from agents.settings import ROOT
from agents.tryout.learn import learn
from agents.tryout.plan import Plan
from agents.tryout.run import run_plan
from agents.tryout.runs import RunFolder
from agents.tryout.stack import Stack


def run_here(
    console: Console,
    plan: Plan,
    run: RunFolder,
    title: str,
    *,
    train: bool,
    speed: float | None,
    tick_s: float,
    keep: bool,
) -> None:
    """Train (or not), stream, tell the ending, and stay up (or not)."""
    folder = run.make()
    models = folder / "models"
    version, quality = learn(console, plan, models) if train else ("", None)

    async def stay(stack: Stack, lead: str | None) -> None:
        await _stay(console, stack, plan.mapping.of_tenant, lead)

    asyncio.run(
        run_plan(
            plan, folder, console, title=title, model=version, models=models, quality=quality, step_s=tick_s, speed=speed,
            keep=stay if keep else None,
        )
    )  # fmt: skip


def ways_in(stack: Stack, tenant: str, lead: str | None) -> list[str]:
    """Lines for another terminal: the settings that reach this stack, and commands to begin with."""
    settings = stack.environment()
    names = ("BOOTSTRAP", "REDIS_URL", "TOPIC_PREFIX", "CLOCK", "POLICY", "MODELS", "MODEL")
    given = {f"LEADKEEPER_{name}": settings[f"LEADKEEPER_{name}"] for name in names}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in given.items() if value]
    who = f"{tenant} {shlex.quote(lead)}" if lead else f"{tenant} LEAD"
    words = [f"lead show {who}", f"inbox read {who}", "dlq list", "ledger list", "topics check"]
    words += ["model show"] if settings["LEADKEEPER_MODEL"] else []
    return [f"cd {shlex.quote(str(ROOT))}", *lines, *(f".venv/bin/leadkeeper {word}" for word in words)]


async def _stay(console: Console, stack: Stack, tenant: str, lead: str | None) -> None:
    """Say how to look around, and wait for Ctrl-C."""
    console.print()
    console.rule("everything is still up", align="left")
    console.print("In another terminal:")
    for line in ways_in(stack, tenant, lead):
        console.print(f"  {line}", soft_wrap=True, markup=False)
    for name, port in stack.ports.items():
        console.print(f"  http://127.0.0.1:{port}/metrics   {name}", soft_wrap=True)
    console.print("[bold]Ctrl-C stops it all.[/]")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop.set)
    await stop.wait()
    console.print("stopping; nothing is left running")
