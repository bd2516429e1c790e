"""Deployments to try, and one trained model."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.acceptance.product import Product, leadkeeper
from tests.brokers import Broker
from tests.planted import planted_log

Deploy = Callable[[int], Product]

PLANTED = """
name = "planted"
tenant = "t"
[lead]
id = "{who}"
[time]
column = "when"
[amount]
column = "cents"
unit = "cents"
[[kinds]]
when = { what = "purchase_completed" }
event = "purchase_completed"
[[kinds]]
when = { what = "ticket_opened" }
event = "ticket_opened"
[label]
horizon_days = 30
eligible_days = 90
"""


class Models(NamedTuple):
    """A folder with one trained model, and what `leadkeeper train` said of it."""

    folder: Path
    version: str
    said: str


@pytest.fixture(scope="module")
def deploy(broker: Broker, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Make deployments with so many partitions; their workers are stopped at the end of the module."""
    with ExitStack() as cleanup:

        def make(partitions: int) -> Product:
            return cleanup.enter_context(Product(broker, redis_url, tmp_path_factory.mktemp("logs"), partitions))

        yield make


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """A model that `leadkeeper train` made from a file."""
    home = tmp_path_factory.mktemp("trained")
    rows = []
    for event in planted_log():
        body = json.loads(event.value)
        rows.append({"who": body["lead"], "when": body["at"], "what": body["type"], "cents": body.get("amount_cents")})
    (home / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (home / "planted.toml").write_text(PLANTED)
    done = leadkeeper(
        "train", str(home / "log.jsonl"), "--mapping", str(home / "planted.toml"), "--models", str(home / "models")
    )
    assert done.code == 0, done.out + done.err
    (version,) = (folder.name for folder in (home / "models").iterdir())
    return Models(home / "models", version, done.out)
