"""`leadkeeper model grade`: how told risks turned out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.common import FAILED, NOT_FOUND, fail, fail_for, load, out, wait
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from agents.manifest import Manifest


def grade(
    models: Annotated[Path | None, typer.Option(help="folder of models (LEADKEEPER_MODELS)")] = None,
    to: Annotated[Path | None, typer.Option(help="also write the report there, as JSON")] = None,
) -> None:
    """Hold assessments whose horizon has passed against what then happened, from the topics; a verdict for each version.

    It knows what the topics still hold; `leadkeeper worker models` remembers more, does this by itself every night, and
    falls back. Exit codes: 0 keep, or too early to say; 1 a version should not stay: go back to the one before it.
    """
    from agents.grade_report import in_words, plain
    from agents.grading import grades, versions_of
    from agents.in_force import in_force
    from agents.nightly import take_notes
    from agents.remembered import Remembered

    settings = load(LeadSettings, models=models)
    try:
        manifests = _manifests(settings)
        with Remembered(None, wait(in_force(settings)).policy_of) as memory:
            with out.status("reading the topics ..."):
                wait(take_notes(memory, settings))
            found = grades(memory, versions_of(manifests))
    except LeadkeeperError as error:
        fail_for(error)
    if not found:
        names = ", ".join(sorted(one.version for one in manifests)) or "no model"
        fail(
            NOT_FOUND,
            f"no assessment by the rule scorer, or by a model that is known here; {settings.models} and `policies` have {names}",
        )
    for version, graded in found.items():
        for line in in_words(version, graded):
            out.print(line, soft_wrap=True, markup=False)
    if to:
        to.write_text(json.dumps(plain(found), indent=2) + "\n", encoding="utf-8")
    if any(graded.verdict == "fall back" for graded in found.values()):
        raise typer.Exit(FAILED)


def _manifests(settings: LeadSettings) -> "list[Manifest]":
    from agents.cli.promotion import registry_if_any
    from agents.nightly import known_models

    return known_models(settings, registry_if_any(settings))
