"""Message texts: Jinja2 files named `<template>.<part>.j2`, for example `early_warning.email.subject.j2`.

Templates are the operator's own files; data of leads is never template source. Still they run in Jinja2's immutable
sandbox, an unknown variable is an error instead of an empty place in a letter, and HTML parts escape what is put in.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas.commands import Variable

MAX_BYTES = 65_536
"""Longest rendered part."""
NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
FILTERS = frozenset(
    {
        "capitalize",
        "default",
        "e",
        "escape",
        "int",
        "join",
        "length",
        "lower",
        "replace",
        "round",
        "title",
        "trim",
        "upper",
    }
)


class UnrenderableError(ValueError):
    """A template is missing, broken, or asks for a variable that the command lacks; says which, and the remedy."""


class Templates:
    """The templates of one folder.

    Args:
        folder: Where the `.j2` files lie.
    """

    def __init__(self, folder: Path) -> None:
        """Open the folder; files are read when first needed."""
        self.folder = folder
        # Two environments, for macros: one taken from a shared file escapes as that file does, not as its caller.
        self._envs = {escaping: _environment(folder, escaping=escaping) for escaping in (False, True)}

    def render(self, template: str, parts: tuple[str, ...], variables: Mapping[str, Variable]) -> dict[str, str]:
        """Render each part of a template.

        Args:
            template: For example `early_warning.email`.
            parts: For example `("subject", "txt", "html")`.
            variables: Plain values only.

        Raises:
            UnrenderableError: With the file or the variable at fault, and the remedy.
        """
        if not NAME.fullmatch(template):
            raise UnrenderableError(f"template {template[:80]!r}: not a name like early_warning.email")
        return {part: self._part(f"{template}.{part}.j2", variables) for part in parts}

    def _part(self, file: str, variables: Mapping[str, Variable]) -> str:
        try:
            text = self._envs[file.endswith(".html.j2")].get_template(file).render(variables)
        except TemplateNotFound as error:
            raise UnrenderableError(
                f"template file {error.name} is missing in {self.folder.name}/; add it or correct the playbook"
            ) from error
        except TemplateError as error:
            raise UnrenderableError(
                f"template {file}: {error.message}; send the variable or correct the template"
            ) from error
        except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise UnrenderableError(f"template {file}: {error}; correct the template or the variable's type") from error
        if len(text.encode()) > MAX_BYTES:
            raise UnrenderableError(
                f"template {file}: longer than {MAX_BYTES} bytes; shorten the template or the variables"
            )
        return text


def _environment(folder: Path, *, escaping: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=escaping,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters = {name: used for name, used in environment.filters.items() if name in FILTERS}
    return environment
