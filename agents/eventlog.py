"""Anyone's event log -> events of `lead.events`, in the order of time.

Rows are read once and become events on a spool (a file above 64 MB); times and places stay in memory (24 bytes an
event), so a million rows need little. Then the spool is read back by time; equal times keep the order of the files.
A row that cannot be used is never fatal: it comes out as a `RejectedRow` with its line, its bytes and the remedy.
"""

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from agents.cells import BadCell, Cells, clock, fields_of, fill, money, number, text
from agents.mapping import KindRule, Layout
from agents.rowfiles import Row, raw_of, rows
from schemas.errors import RejectReason
from schemas.events import EVENT
from streams.ids import derive
from streams.validate import EARLIEST

SPOOL_IN_MEMORY = 64 * 2**20
_ANCIENT_MS = int(EARLIEST * 1000)
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class LoggedEvent(NamedTuple):
    """One message for `lead.events`: when it happened (epoch ms), its key `tenant:lead`, and its JSON."""

    at_ms: int
    key: bytes
    value: bytes


class RejectedRow(NamedTuple):
    """A row that is no event, ready for a dead letter."""

    file: str
    line: int
    reason: RejectReason
    field: str
    message: str
    remedy: str
    raw: bytes


@dataclass
class ReadReport:
    """What became of the rows. Every row is an event, part of a group, skipped or rejected."""

    rows: int = 0
    events: Counter[str] = field(default_factory=Counter)
    """Events by type, custom ones by kind."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Rows left out as the mapping says, by why."""
    rejected: Counter[RejectReason] = field(default_factory=Counter)
    leads: int = 0
    first_ms: int = 0
    last_ms: int = 0


def read_events(
    files: Path | Sequence[Path], mapping: Layout, report: ReadReport | None = None
) -> Iterator[LoggedEvent | RejectedRow]:
    """Rejected rows first, in the order of the files, then all events by time.

    Args:
        files: one log, or several parts of it. Groups that appear in two parts are taken once.
        mapping: how to read them.
        report: filled in while reading.

    Raises:
        MappingInvalid: a file is missing or lacks a column that the mapping uses.
    """
    report = report if report is not None else ReadReport()
    paths = [files] if isinstance(files, Path) else list(files)
    with SpooledTemporaryFile(SPOOL_IN_MEMORY) as spool:
        times, places, key_sizes, sizes = array("q"), array("q"), array("i"), array("i")
        place = 0
        made = _Maker(mapping, report)
        for nth, path in enumerate(paths):
            for event in made.file(path, nth):
                if isinstance(event, RejectedRow):
                    report.rejected[event.reason] += 1
                    yield event
                    continue
                spool.write(event.key)
                spool.write(event.value)
                times.append(event.at_ms)
                places.append(place)
                key_sizes.append(len(event.key))
                sizes.append(len(event.key) + len(event.value))
                place += sizes[-1]
        report.leads = len(made.leads)
        order = np.argsort(np.frombuffer(times, np.int64), kind="stable") if times else np.zeros(0, np.int64)
        if times:
            report.first_ms, report.last_ms = times[order[0]], times[order[-1]]
        for i in order.tolist():
            spool.seek(places[i])
            data = spool.read(sizes[i])
            yield LoggedEvent(times[i], data[: key_sizes[i]], data[key_sizes[i] :])


class _Group(NamedTuple):
    lead: str
    at_ms: int
    rule: int
    negative: bool
    by: tuple[str, ...]


class _Maker:
    """Rows -> events, by one mapping. Remembers which leads it has met, with what was last told of them."""

    def __init__(self, mapping: Layout, report: ReadReport) -> None:
        self.mapping, self.report = mapping, report
        self.leads: dict[str, tuple[str, ...]] = {}
        self._closed: dict[str, str] = {}
        self._groups_done: set[str] = set()
        self._lead_of, self._at = fill(mapping.lead.id), clock(mapping.time)
        self._cents = money(mapping.amount) if mapping.amount else None
        self._profile = {name: fill(template) for name, template in mapping.profile.items()}
        self._fields = [fields_of(rule) for rule in mapping.kinds]
        self._told = sorted({column for rule in mapping.kinds for column, _ in rule.conditions})
        self._matches: dict[tuple[str, ...], list[int]] = {}

    def file(self, path: Path, nth: int) -> Iterator[LoggedEvent | RejectedRow]:
        """All events of one file; groups at its end."""
        groups: dict[_Group, tuple[Decimal, Row]] = {}
        for row in rows(path, self.mapping):
            self.report.rows += 1
            try:
                yield from self._row(row, _readable(row), f"r{row.line}" if not nth else f"f{nth}r{row.line}", groups)
            except _UnknownKindError as unknown:
                yield self._reject(path, row, RejectReason.UNKNOWN_KIND, unknown)
            except BadCell as bad:
                yield self._reject(path, row, RejectReason.BROKEN_ROW, bad)
        for group, (cents, row) in groups.items():
            try:
                yield from self._close_group(group, cents, row.cells or {})
            except BadCell as bad:
                yield self._reject(path, row, RejectReason.BROKEN_ROW, bad)

    def _reject(self, path: Path, row: Row, reason: RejectReason, bad: BadCell) -> RejectedRow:
        return RejectedRow(path.name, row.line, reason, bad.column, bad.message, bad.remedy, raw_of(row))

    def _row(
        self, row: Row, cells: Cells, name: str, groups: dict[_Group, tuple[Decimal, Row]]
    ) -> Iterator[LoggedEvent]:
        lead = self._lead_of(cells)
        if not lead:
            if self.mapping.lead.missing == "skip":
                self.report.skipped["no lead id"] += 1
                return
            raise BadCell("lead", "the row names no lead", 'correct the row, or set lead.missing = "skip"')
        rules = self._rules_for(cells)
        if not rules:
            self.report.skipped["kind left out by the mapping"] += 1
            return
        at_ms = self._at(cells)
        if at_ms < _ANCIENT_MS:
            raise BadCell(self.mapping.time.column, "is before 1990", "check time.format and its unit")
        if self.mapping.id:
            name = text(cells[self.mapping.id])
        # All or nothing: a row that is refused in part leaves no trace of the other part.
        events: list[LoggedEvent] = []
        for nth, place in enumerate(rules):
            rule = self.mapping.kinds[place]
            cents = self._amount(rule, cells)
            if self.mapping.group and rule.takes_amount:
                by = tuple(text(cells[column]) for column in self.mapping.group.by)
                group = _Group(lead, at_ms, place, cents is not None and cents < 0, by)
                so_far, first = groups.get(group, (Decimal(0), row))
                groups[group] = (so_far + (cents or 0), first)
            else:
                events.extend(self._events(lead, at_ms, rule, place, f"{name}.{nth}" if nth else name, cents, cells))
        yield from self._news(lead, at_ms, name, cells)
        yield from events

    def _rules_for(self, cells: Cells) -> list[int]:
        """Places of the rules that match and are not left out. Raises _UnknownKindError when none matches."""
        told = tuple([text(cells[column]) for column in self._told])
        found = self._matches.get(told)
        if found is None:
            values = dict(zip(self._told, told, strict=True))
            found = [
                i
                for i, rule in enumerate(self.mapping.kinds)
                if all(values[c] in wanted for c, wanted in rule.conditions)
            ]
            if not found:
                seen = ", ".join(f"{c} = {v[:60]!r}" for c, v in values.items())
                remedy = "add a [[kinds]] rule for it; skip = true leaves it out"
                raise _UnknownKindError(self._told[0], f"no rule for {seen}", remedy)
            self._matches[told] = found
        return [place for place in found if not self.mapping.kinds[place].skip]

    def _news(self, lead: str, at_ms: int, name: str, cells: Cells) -> Iterator[LoggedEvent]:
        """What is known of the lead, when that is new."""
        known = tuple([template(cells) for template in self._profile.values()])
        before = self.leads.get(lead)
        if known != before and any(known):
            changed = {
                field: value
                for i, (field, value) in enumerate(zip(self._profile, known, strict=True))
                if value and (before is None or before[i] != value)
            }
            if "value" in changed:
                column = "profile.value"
                decimal = self.mapping.amount.decimal if self.mapping.amount else "."
                changed["value_cents"] = _rounded(number(changed.pop("value"), column, decimal) * 100)  # type: ignore[assignment]
            if changed:
                yield self._event("profile_updated", lead, at_ms, f"{name}.p", changed)
        self.leads[lead] = known

    def _events(
        self, lead: str, at_ms: int, rule: KindRule, place: int, name: str, cents: Decimal | None, cells: Cells
    ) -> Iterator[LoggedEvent]:
        if rule.event:
            body = self._fields[place](cells)
            kind = rule.event
            if cents is not None:
                kind = "refund_issued" if cents < 0 else kind
                body["amount_cents"] = _rounded(abs(cents))
            if kind == "custom":
                body["kind"] = rule.kind
            yield self._event(kind, lead, at_ms, name, body)
        if rule.closes and self._closed.get(lead) != rule.closes:
            self._closed[lead] = rule.closes
            yield self._event("lead_closed", lead, at_ms, f"{name}.c", {"outcome": rule.closes})

    def _amount(self, rule: KindRule, cells: Cells) -> Decimal | None:
        """Cents of the row, where the event has room for them and the row has any."""
        if self._cents is None or self.mapping.amount is None or not rule.takes_amount:
            return None
        column, cents = self.mapping.amount.column, self._cents(cells)
        if cents is None and rule.needs_amount:
            raise BadCell(column, "is empty", f"a {rule.event} needs an amount")
        if cents is not None and cents < 0 and self.mapping.amount.negative == "reject":
            raise BadCell(column, "is negative", 'correct the row, or set amount.negative = "refund_issued"')
        return cents

    def _close_group(self, group: _Group, cents: Decimal, cells: Cells) -> Iterator[LoggedEvent]:
        rule = self.mapping.kinds[group.rule]
        side = "minus" if group.negative else "plus"
        name = derive("row", group.lead, group.at_ms, rule.event or "", rule.kind or "", side, *group.by)
        if name in self._groups_done:
            self.report.skipped["group already in an earlier file"] += 1
            return
        self._groups_done.add(name)
        yield from self._events(group.lead, group.at_ms, rule, group.rule, name, cents, cells)

    def _event(self, kind: str, lead: str, at_ms: int, name: str, body: dict[str, Any]) -> LoggedEvent:
        tenant = self.mapping.of_tenant
        at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = {"v": 1, "type": kind, "id": name, "tenant": tenant, "lead": lead, "at": at, **body}
        value = _JSON.encode(message).encode("utf-8", "surrogateescape")
        try:
            EVENT.validate_json(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            column = ".".join(map(str, first["loc"][1:])) or "value"
            raise BadCell(column, first["msg"], f"correct the row, or what {self.mapping.name} makes of it") from None
        self.report.events[body["kind"] if kind == "custom" else kind] += 1
        return LoggedEvent(at_ms, f"{tenant}:{lead}".encode(), value)


class _UnknownKindError(BadCell):
    """No rule of the mapping matches the row."""


def _readable(row: Row) -> Cells:
    if row.cells is None:
        raise BadCell("row", row.problem, "correct the line")
    return row.cells


def _rounded(cents: Decimal) -> int:
    return int(cents.quantize(Decimal(1), ROUND_HALF_UP))
