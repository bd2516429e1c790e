"""The real command line in a process that has something wrong with it. What is wrong is put in from outside, never in the product.

python -m tests.faults.troubled --trouble drop-fetches:7 [--trouble stock-consumer] -- worker lead --processes 0
"""

import argparse
import sys
from collections.abc import Callable

from agents.cli import main
from tests.chaos.failpoints import FAILPOINTS
from tests.chaos.mutants import MUTANTS
from tests.chaos.wrong_clock import clock
from tests.faults.drops import drop_fetches

TROUBLES: dict[str, Callable[[str], None]] = {"drop-fetches": drop_fetches, "clock": clock, **FAILPOINTS, **MUTANTS}
"""What can be wrong. Each takes what stands behind the colon."""


def trouble(text: str) -> None:
    """Put one trouble, written `name` or `name:argument`, into this process."""
    name, _, argument = text.partition(":")
    if name not in TROUBLES:
        raise SystemExit(f"--trouble {text}: use one of {', '.join(sorted(TROUBLES))}")
    TROUBLES[name](argument)


def run() -> None:
    """Put the troubles in, then do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trouble", action="append", default=[], metavar="NAME[:ARGUMENT]")
    parser.add_argument("command", nargs="+", help="what `leadkeeper` would be given")
    given = parser.parse_args()
    for text in given.trouble:
        trouble(text)
    sys.argv = ["leadkeeper", *given.command]
    main.run()


if __name__ == "__main__":
    run()
