"""Cells of a row -> values of an event: ids, times, money, texts. What does not fit raises BadCell with its column."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, time, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from agents.mapping import AmountRule, KindRule, TimeRule, places
from schemas.events import event_classes

Cells = Mapping[str, Any]
ISO = "iso"
_SECONDS_TO_MS = {"epoch_s": 1000, "epoch_ms": 1}


class BadCell(Exception):  # noqa: N818 - named like its relatives in schemas/errors.py
    """A cell that cannot be used: which column, what is wrong, what to do."""

    def __init__(self, column: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.column, self.message, self.remedy = column, message, remedy


def text(value: Any) -> str:
    """A cell as text, empty when there is nothing: whole floats (ids read as numbers) lose their `.0`."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def fill(template: str) -> Callable[[Cells], str]:
    """A template as a function of the row. A row that lacks any of its columns gives an empty text."""
    parts = places(template)
    fixed, columns = parts[::2], parts[1::2]
    if not columns:
        return lambda _: template

    def filled(cells: Cells) -> str:
        values = [text(cells[column]) for column in columns]
        if not all(values):
            return ""
        return fixed[0] + "".join(value + rest for value, rest in zip(values, fixed[1:], strict=True))

    return filled


def clock(rule: TimeRule) -> Callable[[Cells], int]:
    """Row -> epoch milliseconds.

    Local times that a change of clocks skips count as the hour after; those it repeats count as the first of the two.
    """
    zone = ZoneInfo(rule.zone)
    hour = time.fromisoformat(rule.hour) if rule.hour else None
    parse = lru_cache(maxsize=65_536)(lambda value: _milliseconds(value, rule.format, zone, hour))

    def at(cells: Cells) -> int:
        value = cells[rule.column]
        try:
            if isinstance(value, datetime):
                return _instant(value, zone, hour)
            return int(parse(text(value)))
        except (ValueError, OverflowError) as error:
            raise BadCell(
                rule.column, f"is not a time: {error}", f"time.format is {rule.format!r}; correct the row or the format"
            ) from None

    return at


def _milliseconds(value: str, form: str, zone: tzinfo, hour: time | None) -> int:
    if not value:
        raise ValueError("it is empty")
    if unit := _SECONDS_TO_MS.get(form):
        try:
            return int(Decimal(value) * unit)
        except InvalidOperation:
            raise ValueError(f"{value!r} is not a number") from None
    found = datetime.fromisoformat(value) if form == ISO else datetime.strptime(value, form)  # noqa: DTZ007 - the zone follows
    return _instant(found, zone, hour)


def _instant(found: datetime, zone: tzinfo, hour: time | None) -> int:
    if hour is not None:
        found = found.replace(hour=hour.hour, minute=hour.minute, second=0, microsecond=0)
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone)
    return round(found.timestamp() * 1000)


def money(rule: AmountRule) -> Callable[[Cells], Decimal | None]:
    """Row -> cents, exact, not yet rounded (rows of a group are added first), perhaps negative; None: an empty cell."""
    scale = Decimal(1 if rule.unit == "cents" else 100)

    def cents(cells: Cells) -> Decimal | None:
        if not text(cells[rule.column]):
            return None
        amount = number(cells[rule.column], rule.column, rule.decimal)
        if rule.times is not None:
            amount *= number(cells[rule.times], rule.times, rule.decimal)
        return amount * scale

    return cents


def number(value: Any, column: str, decimal: str = ".") -> Decimal:
    """A finite decimal number."""
    try:
        found = Decimal(value) if isinstance(value, int) else Decimal(text(value).replace(decimal, "."))
    except InvalidOperation:
        raise BadCell(column, f"{text(value)[:40]!r} is not a number", "correct the row, or amount.decimal") from None
    if not found.is_finite():
        raise BadCell(column, "is not a finite number", "correct the row")
    return found


def fields_of(rule: KindRule) -> Callable[[Cells], dict[str, Any]]:
    """The rule's `fields` as a function of the row; numbers where the event wants numbers."""
    if not rule.event:
        return lambda _: {}
    properties = event_classes()[rule.event].model_json_schema()["properties"]
    numeric = {name for name in rule.fields if {"number", "integer"} & _types(properties[name])}
    whole = {name for name in rule.fields if "integer" in _types(properties[name])}
    fixed = {name: value for name, value in rule.fields.items() if not isinstance(value, str)}
    templates = {name: fill(value) for name, value in rule.fields.items() if isinstance(value, str)}

    def made(cells: Cells) -> dict[str, Any]:
        body: dict[str, Any] = dict(fixed)
        for name, template in templates.items():
            value = template(cells)
            if not value:
                continue
            found = number(value, name) if name in numeric else None
            body[name] = (
                value if found is None else int(found) if name in whole and found == int(found) else float(found)
            )
        return body

    return made


def _types(schema: dict[str, Any]) -> set[str]:
    return {part["type"] for part in (schema, *schema.get("anyOf", [])) if "type" in part}
