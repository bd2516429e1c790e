"""`python -m agents.couriers --channel email`: one courier process, settings from `LEADKEEPER_…`."""

import asyncio
import logging
import sys
from typing import Annotated

import typer

from agents.couriers.run import ADAPTERS, run_courier
from agents.couriers.settings import CourierSettings
from agents.safety import ExitCode
from schemas.errors import LeadkeeperError
from schemas.units import Channel


def main(channel: Annotated[Channel, typer.Option(help="which channel to serve")]) -> None:
    """Deliver the interventions of one channel until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if channel not in ADAPTERS:
        raise typer.BadParameter(
            f"{channel} has no adapter yet; its commands wait on interventions.{channel} for a consumer of yours"
        )
    try:
        code = asyncio.run(run_courier(channel, CourierSettings()))
    except LeadkeeperError as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - the text says it all
        sys.exit(int(ExitCode.CONFIG))
    sys.exit(int(code))


if __name__ == "__main__":
    typer.run(main)
