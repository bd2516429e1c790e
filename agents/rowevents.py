"""One row of somebody's log -> events of `lead.events`, as the mapping says."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from agents.cells import ENCODING, BadCell, Cells, clock, decoded, fields_of, fill, money, number, shown, text
from agents.logged import LoggedEvent, ReadReport
from agents.mapping import Layout, said
from agents.rejects import RejectedRow
from agents.rowfiles import Row, raw_of, rows
from agents.sections import KindRule
from schemas.errors import RejectReason
from schemas.events import EVENT
from schemas.units import LeadId, MessageId
from streams.ids import derive
from streams.validate import EARLIEST, LATEST

_EARLIEST_MS, _LATEST_MS = int(EARLIEST * 1000), int(LATEST * 1000)
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_LEAD_ID, _MESSAGE_ID = (re.compile(get_args(kind)[1].metadata[0].pattern) for kind in (LeadId, MessageId))


class _Group(NamedTuple):
    lead: str
    at_ms: int
    rule: int
    negative: bool
    by: tuple[str, ...]


class _Draft(NamedTuple):
    counted_as: str
    event: LoggedEvent
    lead: str
    closes: str | None = None


class _Made(NamedTuple):
    """What a row comes to: all of it, or nothing."""

    lead: str
    at_ms: int
    name: str
    drafts: list[_Draft]
    grouped: list[tuple[_Group, Decimal]]


class RowEvents:
    """Rows -> events, by one mapping. Remembers which leads it has met, with what was last told of them.

    Attributes:
        leads: Their ids, each with the profile as the log last told it.
    """

    def __init__(self, mapping: Layout, report: ReadReport) -> None:
        """Nothing is met yet; `report` is filled in."""
        self.mapping, self.report = mapping, report
        self.leads: dict[str, tuple[str, ...]] = {}
        self._closed: dict[str, str] = {}
        self._groups_done: set[str] = set()
        self._lead_of, self._at = fill(mapping.lead.id), clock(mapping.time)
        written = mapping.time.known and mapping.time.model_copy(update={"column": mapping.time.known})
        self._known = clock(written) if written else None
        self._cents = money(mapping.amount) if mapping.amount else None
        self._profile = {name: fill(template) for name, template in mapping.profile.items()}
        self._fields = [fields_of(rule, mapping.amount) for rule in mapping.kinds]
        self._told = sorted({column for rule in mapping.kinds for column, _ in rule.conditions})
        self._matches: dict[tuple[str, ...], list[int]] = {}

    def file(self, path: Path, nth: int) -> Iterator[LoggedEvent | RejectedRow]:
        """All events of one file; groups at its end."""
        groups: dict[_Group, tuple[Decimal, Row]] = {}
        for row in rows(path, self.mapping):
            self.report.rows += 1
            try:
                cells = _readable(row)
                made = self._row(cells, f"r{row.line}" if not nth else f"f{nth}r{row.line}")
                known = self._known(cells) if self._known else 0
            except BadCell as bad:
                yield self._reject(path, row, bad)
                continue
            if made is None:
                continue
            news, refused = self._news(made, cells)
            for part in refused:
                yield self._reject(path, row, part, partial=True)
            yield from self._counted([*news, *made.drafts], known)
            for group, cents in made.grouped:
                so_far, first = groups.get(group, (Decimal(0), row))
                groups[group] = (so_far + cents, first)
        for group, (cents, row) in groups.items():
            try:
                known = self._known(row.cells or {}) if self._known else 0
                yield from self._counted(self._close_group(group, cents, row.cells or {}), known)
            except BadCell as bad:
                yield self._reject(path, row, bad)

    def _reject(self, path: Path, row: Row, bad: BadCell, *, partial: bool = False) -> RejectedRow:
        reason = RejectReason.UNKNOWN_KIND if isinstance(bad, _UnknownKindError) else RejectReason.BROKEN_ROW
        if partial:
            self.report.fields_rejected[bad.column] += 1
        else:
            self.report.rejected[reason] += 1
        return RejectedRow(
            path.name, row.line, reason, bad.column, bad.message, bad.remedy, raw_of(row), bad.detail, partial
        )

    def _counted(self, drafts: Iterable[_Draft], known_ms: int) -> Iterator[LoggedEvent]:
        """The events, and when they were known, without closings that say nothing new."""
        for draft in drafts:
            if draft.closes is not None:
                if self._closed.get(draft.lead) == draft.closes:
                    continue
                self._closed[draft.lead] = draft.closes
            self.report.events[draft.counted_as] += 1
            yield draft.event._replace(timestamp_ms=known_ms) if known_ms else draft.event

    def _row(self, cells: Cells, name: str) -> _Made | None:
        """What a row comes to; None when the mapping leaves it out. Raises BadCell."""
        lead = self._lead_of(cells)
        if not lead:
            if self.mapping.lead.missing == "skip":
                self.report.skipped["no lead id"] += 1
                return None
            raise BadCell("lead", "the row names no lead", 'correct the row, or set lead.missing = "skip"')
        self._check_id("lead", lead, _LEAD_ID, "_ . : @ + -", "lead.id")
        rules = self._rules_for(cells)
        if not rules:
            self.report.skipped["kind left out by the mapping"] += 1
            return None
        at_ms = self._at(cells)
        if not _EARLIEST_MS <= at_ms < _LATEST_MS:
            wrong = "is before 1990" if at_ms < _EARLIEST_MS else "is after 2099"
            column = self.mapping.time.column
            raise BadCell(column, wrong, "check time.format and its unit", shown(cells[column]))
        if self.mapping.id:
            name = text(cells[self.mapping.id])
            self._check_id(self.mapping.id, name, _MESSAGE_ID, "_ . : @ + / = -", "id")
        drafts: list[_Draft] = []
        grouped: list[tuple[_Group, Decimal]] = []
        for nth, place in enumerate(rules):
            rule = self.mapping.kinds[place]
            cents = self._amount(rule, cells)
            if self.mapping.group and rule.takes_amount:
                by = tuple(text(cells[column]) for column in self.mapping.group.by)
                grouped.append((_Group(lead, at_ms, place, cents is not None and cents < 0, by), cents or Decimal(0)))
            else:
                drafts += self._events(lead, at_ms, rule, place, f"{name}.{nth}" if nth else name, cents, cells)
        return _Made(lead, at_ms, name, drafts, grouped)

    def _check_id(self, field: str, value: str, allowed: re.Pattern[str], marks: str, key: str) -> None:
        if allowed.fullmatch(value):
            return
        if not decoded(value):
            raise BadCell(field, f"is not text in {self.mapping.file.encoding}", ENCODING, shown(value))
        remedy = f"letters (a-z), digits and {marks} are allowed, at most 128; clean the log, or make {key} of another column"
        raise BadCell(field, "cannot be used as an id", remedy, shown(value))

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
                seen = ", ".join(f"{c} = {shown(v)}" for c, v in values.items())
                remedy = (
                    "add a [[kinds]] rule for it; skip = true leaves it out" if all(map(decoded, told)) else ENCODING
                )
                raise _UnknownKindError(self._told[0], f"no rule for {seen}", remedy)
            self._matches[told] = found
        return [place for place in found if not self.mapping.kinds[place].skip]

    def _news(self, made: _Made, cells: Cells) -> tuple[list[_Draft], list[BadCell]]:
        """What is known of the lead, when that is new; and what was told of it, but cannot be used."""
        known = tuple([template(cells) for template in self._profile.values()])
        before = self.leads.get(made.lead)
        self.leads[made.lead] = known
        if known == before:
            return [], []
        changed: dict[str, Any] = {
            field: value
            for i, (field, value) in enumerate(zip(self._profile, known, strict=True))
            if value and (before is None or before[i] != value)
        }
        refused: list[BadCell] = []
        if "value" in changed:
            try:
                changed["value_cents"] = _rounded(number(changed.pop("value"), "value", self.mapping.amount) * 100)
            except BadCell as bad:
                refused.append(_of_profile(bad))
        while changed:
            try:
                return [self._event("profile_updated", made.lead, made.at_ms, f"{made.name}.p", changed)], refused
            except BadCell as bad:
                refused.append(_of_profile(bad))
                if changed.pop(bad.column, None) is None:
                    break
        return [], refused

    def _events(
        self, lead: str, at_ms: int, rule: KindRule, place: int, name: str, cents: Decimal | None, cells: Cells
    ) -> Iterator[_Draft]:
        if rule.event:
            body = self._fields[place](cells)
            kind = rule.event
            if cents is not None:
                kind = "refund_issued" if cents < 0 else kind
                body["amount_cents"] = _rounded(abs(cents))
            if kind == "custom":
                body["kind"] = rule.kind
            yield self._event(kind, lead, at_ms, name, body)
        if rule.closes:
            yield self._event("lead_closed", lead, at_ms, f"{name}.c", {"outcome": rule.closes})

    def _amount(self, rule: KindRule, cells: Cells) -> Decimal | None:
        """Cents of the row, where the event has room for them and the row has any."""
        if self._cents is None or self.mapping.amount is None or not rule.takes_amount:
            return None
        column, cents = self.mapping.amount.column, self._cents(cells)
        if cents is None and rule.needs_amount:
            raise BadCell(column, "is empty", f"a {rule.event} needs an amount")
        if cents is not None and cents < 0 and self.mapping.amount.negative == "reject":
            remedy = 'correct the row, or set amount.negative = "refund_issued"'
            raise BadCell(column, "is negative", remedy, shown(cells[column]))
        return cents

    def _close_group(self, group: _Group, cents: Decimal, cells: Cells) -> Iterator[_Draft]:
        rule = self.mapping.kinds[group.rule]
        side = "minus" if group.negative else "plus"
        name = derive("row", group.lead, group.at_ms, rule.event or "", rule.kind or "", side, *group.by)
        if name in self._groups_done:
            self.report.skipped["group already in an earlier file"] += 1
            return
        self._groups_done.add(name)
        yield from self._events(group.lead, group.at_ms, rule, group.rule, name, cents, cells)

    def _event(self, kind: str, lead: str, at_ms: int, name: str, body: dict[str, Any]) -> _Draft:
        tenant = self.mapping.of_tenant
        at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = {"v": 1, "type": kind, "id": name, "tenant": tenant, "lead": lead, "at": at, **body}
        try:
            value = _JSON.encode(message).encode()
            EVENT.validate_json(value)
        except UnicodeEncodeError:
            column = next(k for k, v in message.items() if isinstance(v, str) and not decoded(v))
            raise BadCell(
                column, f"is not text in {self.mapping.file.encoding}", ENCODING, shown(message[column])
            ) from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            column = ".".join(map(str, first["loc"][1:])) or "value"
            detail = shown(message[column]) if column in message else ""
            remedy = f"correct the row, or what {self.mapping.name} makes of it"
            raise BadCell(column, said(first), remedy, detail) from None
        counted_as = body["kind"] if kind == "custom" else kind
        closes = body["outcome"] if kind == "lead_closed" else None
        return _Draft(counted_as, LoggedEvent(at_ms, f"{tenant}:{lead}".encode(), value), lead, closes)


class _UnknownKindError(BadCell):
    """No rule of the mapping matches the row."""


def _of_profile(bad: BadCell) -> BadCell:
    """The same, of a part of the profile."""
    field = f"profile.{bad.column.removesuffix('_cents')}"
    remedy = bad.remedy if "amount." in bad.remedy or bad.remedy == ENCODING else "correct the row"
    return BadCell(field, bad.message, f"{remedy}, or take {field} out; the row's event went through", bad.detail)


def _readable(row: Row) -> Cells:
    if row.cells is None:
        raise BadCell("row", row.problem, row.remedy, row.detail)
    return row.cells


def _rounded(cents: Decimal) -> int:
    return int(cents.quantize(Decimal(1), ROUND_HALF_UP))
