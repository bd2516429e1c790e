"""What the commands share: the console, running a coroutine, ending with a clear word and a code that scripts can use."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from agents.settings import Settings
from schemas.errors import FileMissing, LeadkeeperError, Unavailable

T = TypeVar("T")
out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)

OK, FAILED, NOT_FOUND, USAGE, UNAVAILABLE, CONFIG = 0, 1, 66, 64, 69, 78
"""Exit codes: 0 done; 1 looked, and found something wrong; 64 wrong words; 66 no such thing; 69 a service does not answer
(try again); 78 a setting or file is wrong (do not try again)."""


At = Annotated[datetime | None, typer.Option(help="where the log carries its own time: from which moment on (UTC)")]
Share = Annotated[
    float | None, typer.Option(min=0, max=1, help="of the leads, by a hash of their ids; 0: of none any more")
]
Tenant = Annotated[str, typer.Option(help="whose leads a share is of; *: of every tenant that has none of its own")]


def fail(code: int, message: str) -> NoReturn:
    """Say what is wrong and what to do, and end."""
    err.print(f"[bold red]leadkeeper:[/] {escape(message)}", soft_wrap=True)
    raise typer.Exit(code)


def there(value: Any) -> Any:
    """For options and arguments that are paths: where one of them does not exist, the command ends with 66."""
    for path in value if isinstance(value, list) else [value]:
        if isinstance(path, Path) and not path.exists():
            fail(NOT_FOUND, f"there is no {path}: name one that is there (from {Path.cwd()})")
    return value


def fail_for(error: LeadkeeperError) -> NoReturn:
    """End with the sentence of a named failure."""
    fail(code_of(error), str(error))


def code_of(error: LeadkeeperError) -> int:
    """69 where trying again may help, 66 where a file is not there, else 78."""
    if isinstance(error, FileMissing):
        return NOT_FOUND
    return UNAVAILABLE if isinstance(error, Unavailable) else CONFIG


def load(kind: "type[SettingsT]", **given: Any) -> "SettingsT":
    """Settings from the environment and from options that were given (None: not given)."""
    try:
        return kind(**{k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "_".join(map(str, first["loc"])).upper()
        fail(CONFIG, f"LEADKEEPER_{name}: {first['msg'].removeprefix('Value error, ')}")


SettingsT = TypeVar("SettingsT", bound=Settings)


def wait(work: Coroutine[Any, Any, T], address: str = "LEADKEEPER_BOOTSTRAP") -> T:
    """Run a coroutine; a broker that does not answer ends with 69 and the word that gave its address."""
    from agents.broker import BrokerUnreachableError

    try:
        return asyncio.run(work)
    except BrokerUnreachableError as error:
        fail(UNAVAILABLE, f"{error} ({address})")
