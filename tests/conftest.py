"""Fixtures every test may use: a real broker, a real Redis, topics of one's own. Says which ones it picked."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

from agents.embedded import EmbeddedStack
from tests.brokers import FORCE, Broker, BrokerChoice, Topics

_CHOICE = pytest.StashKey[BrokerChoice]()
_USED = pytest.StashKey[dict[str, str]]()

# Repeatable everywhere: the same examples in each run, and no deadline, as a slow machine is not a bug.
settings.register_profile(
    "ci", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
# For a longer search by hand: HYPOTHESIS_PROFILE=search.
settings.register_profile("search", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Look once at what this machine offers."""
    config.stash[_CHOICE] = BrokerChoice(os.environ.get(FORCE, ""))
    config.stash[_USED] = {}


def pytest_report_header(config: pytest.Config) -> str:
    """Say which broker the tests will run on and why not on a better one."""
    choice = config.stash[_CHOICE]
    return f"broker: {choice.candidates[0]}{_why(choice)}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a broker, so that ``-m "not broker"`` leaves the fast rest."""
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.broker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was really used, in case an option failed to start; also with ``-q``."""
    for name, used in config.stash[_USED].items():
        terminalreporter.write_line(f"{name} used: {used}")


def _why(choice: BrokerChoice) -> str:
    return f" ({reasons})" if (reasons := choice.reasons()) else ""


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> Iterator[Broker]:
    """A running broker, the same for the whole session (one per process under pytest-xdist)."""
    choice = pytestconfig.stash[_CHOICE]
    with ExitStack() as cleanup:
        chosen = choice.start(cleanup)
        pytestconfig.stash[_USED]["broker"] = f"{chosen.kind} at {chosen.bootstrap}{_why(choice)}"
        yield chosen


@pytest.fixture(scope="session")
def redis_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """``REDIS_URL``, else an embedded Redis. Shared by the session: use keys of your own."""
    if given := os.environ.get("REDIS_URL"):
        pytestconfig.stash[_USED]["redis"] = "REDIS_URL"
        yield given
        return
    with EmbeddedStack(kafka=False) as stack:
        pytestconfig.stash[_USED]["redis"] = f"embedded at {stack.redis_url}"
        yield stack.redis_url


@pytest.fixture
def topics(broker: Broker, request: pytest.FixtureRequest) -> Topics:
    """Topics under a prefix that only this test uses. They are left behind: the broker ends with the session."""
    test = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name)[:40].strip("-")
    return Topics(broker, f"{test}-{uuid.uuid4().hex[:8]}.")
