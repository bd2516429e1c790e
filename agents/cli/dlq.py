"""`leadkeeper dlq …`: what could not be used, why, and how to use it after all."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from agents.cli.common import FAILED, NOT_FOUND, fail, load, out, wait
from agents.settings import Settings

if TYPE_CHECKING:
    from agents.dead_letters import Found
    from schemas.dead_letters import DeadLetter

app = typer.Typer(no_args_is_help=True, help="Dead letters: list, show, redrive.")

_NOT_BACK = "cannot be sent again (rows of a file, or cut to fit): correct the source, or the mapping, and send it anew"
Reason = Annotated[str | None, typer.Option(help="only this reason, like missing_field")]
Tenant = Annotated[str | None, typer.Option(help="only keys of this tenant")]
Topic = Annotated[str | None, typer.Option(help="only records of this topic, like lead.events")]


def _find(reason: str | None, tenant: str | None, topic: str | None, one: str | None = None) -> "list[Found]":
    from agents import dead_letters

    settings = load(Settings)

    def wanted(found: "Found") -> bool:
        letter, record = found
        return (
            (one is None or letter.id == one)
            and (reason is None or letter.reason == reason)
            and (topic is None or letter.topic.removeprefix(settings.topic_prefix) == topic)
            and (tenant is None or (record.key or b"").startswith(f"{tenant}:".encode()))
        )

    async def work() -> "list[Found]":
        found = [f async for f in dead_letters.find(settings.bootstrap, settings.topic_prefix, wanted)]
        return sorted(found, key=lambda f: f.record.timestamp)

    return wait(work())


@app.command(name="list", epilog="Example: leadkeeper dlq list --reason missing_field --limit 5")
def list_(
    reason: Reason = None,
    tenant: Tenant = None,
    topic: Topic = None,
    limit: Annotated[int, typer.Option(min=0, help="newest so many; the counts are always of all")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """Dead letters, newest last, and how many there are of each kind."""
    from agents.dead_letters import can_go_back

    found = _find(reason, tenant, topic)
    shown = found[-limit:] if limit else []
    if as_json:
        for letter, _ in shown:
            out.print(letter.model_dump_json(), soft_wrap=True, markup=False)
        return
    if not found:
        out.print("no dead letters")
        return
    for letter, _ in shown:
        out.print(f"[bold]{letter.id}[/]  {letter.reason}  [dim]{escape(_source(letter))}[/]", soft_wrap=True)
        out.print(f"  {letter.field}: {letter.message}", markup=False, soft_wrap=True)
    counts = Counter((f.letter.topic, f.letter.reason) for f in found)
    out.print(f"\n{len(found):,} in all" + (f", the newest {len(shown):,} shown" if len(shown) < len(found) else ""))
    for (source, why), n in counts.most_common():
        out.print(f"{n:>8,}  {why} ({source})", markup=False, soft_wrap=True)
    out.print("\nlook at one, with its remedy:  leadkeeper dlq show ID")
    back = sum(map(can_go_back, found))
    if back:
        out.print("once the cause is mended:      leadkeeper dlq redrive --reason REASON --go")
    if back < len(found):
        out.print(f"{len(found) - back:,} of them {_NOT_BACK}", soft_wrap=True)


@app.command(epilog="Example: leadkeeper dlq show dlq-abc…")
def show(letter_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """One dead letter: what is wrong, the remedy, and the record as it came."""
    from agents.dead_letters import can_go_back

    found = _find(None, None, None, letter_id)
    if not found:
        fail(NOT_FOUND, f"there is no dead letter {letter_id}; `leadkeeper dlq list` shows them")
    letter, record = found[0]
    for name, value in letter.model_dump(mode="json").items():
        out.print(f"[bold]{name:13}[/] {escape(str(value))}", soft_wrap=True)
    out.print(f"[bold]{'key':13}[/] {escape(repr(record.key))}", soft_wrap=True)
    value = record.value or b""
    text = value[:4000].decode(errors="backslashreplace")
    more = f" … {len(value) - 4000} bytes more" if len(value) > 4000 else ""
    out.print(f"[bold]{'value':13}[/]", end=" ")
    out.print(text + more, markup=False, soft_wrap=True)
    if not can_go_back(found[0]):
        out.print(f"it {_NOT_BACK}", soft_wrap=True)


@app.command(epilog="Example: leadkeeper dlq redrive --reason unknown_type --tenant acme --go")
def redrive(
    letter_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="one; default: all that the options choose")
    ] = None,
    reason: Reason = None,
    tenant: Tenant = None,
    topic: Topic = None,
    go: Annotated[bool, typer.Option("--go", help="really send; without it only says what would be sent")] = False,
) -> None:
    """Send dead letters back to the topic they came from. Event ids stay the same, so what was counted is not counted twice."""
    from agents import dead_letters

    everything = _find(reason, tenant, topic, letter_id)
    if not everything:
        fail(NOT_FOUND, "no dead letter fits; `leadkeeper dlq list` shows them")
    back = [f for f in everything if dead_letters.can_go_back(f)]
    if stays := len(everything) - len(back):
        out.print(f"{stays:,} of {len(everything):,} {_NOT_BACK}", soft_wrap=True)
    found = dead_letters.each_record_once(back)
    if again := len(back) - len(found):
        out.print(
            f"{again:,} carry the same record as a newer one (sent again before, and rejected again)", soft_wrap=True
        )
    if not found:
        raise typer.Exit(FAILED)
    counts = Counter((f.letter.topic, f.letter.reason) for f in found)
    summary = json.dumps({f"{topic} {reason}": n for (topic, reason), n in counts.items()})
    if not go:
        out.print(f"would send {len(found)}: {summary}; add --go to do it", soft_wrap=True, markup=False)
        return
    settings = load(Settings)
    sent = wait(dead_letters.redrive(settings.bootstrap, settings.topic_prefix, found))
    out.print(f"sent {sent}: {summary}", soft_wrap=True, markup=False)


def _source(letter: "DeadLetter") -> str:
    from schemas import topics

    if any(letter.topic.endswith(topic.name) for topic in topics.ALL):
        return f"{letter.topic}[{letter.partition}]@{letter.offset}"
    return f"{letter.topic} line {letter.offset}"
