"""Cells of a row -> values of an event: ids, times, money, texts. What does not fit raises BadCell with its column."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, time, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from agents.sections import AmountRule, KindRule, TimeRule, places
from schemas.events import event_classes

Cells = Mapping[str, Any]
ISO = "iso"
ENCODING = 'name the encoding of the file in the mapping, like file.encoding = "cp1252", or save it as UTF-8'
"""What to do about bytes that are not of the file's encoding."""
_SECONDS_TO_MS = {"epoch_s": 1000, "epoch_ms": 1}


class BadCell(Exception):  # noqa: N818 - named like its relatives in schemas/errors.py
    """A cell that cannot be used: which column, what is wrong (the same words for each such cell), what to do, what was there."""

    def __init__(self, column: str, message: str, remedy: str, detail: str = "") -> None:
        super().__init__(f"{message}: {detail}" if detail else message)
        self.column, self.message, self.remedy, self.detail = column, message, remedy, detail


def visible(value: str) -> str:
    """A text that can be printed: bytes that could not be decoded as bytes."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def shown(value: object) -> str:
    """A cell for people: quoted, at most 60 characters."""
    told = visible(str(value))
    return f"'{told[:60]}…'" if len(told) > 60 else f"'{told}'"


def decoded(value: str) -> bool:
    """Whether all bytes of a text were of the file's encoding; the others became surrogates."""
    return value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value)


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
            told = _REMEDY.get(rule.format, "correct the row, or time.format")
            raise BadCell(rule.column, str(error), told, shown(text(value))) from None

    return at


_FORMATS = 'set time.format to a pattern like "%d.%m.%Y %H:%M", or to epoch_s or epoch_ms'
_REMEDY = {"iso": f"ISO 8601 is like 2026-01-31T09:00:00Z; correct the row, or {_FORMATS}"}


def _milliseconds(value: str, form: str, zone: tzinfo, hour: time | None) -> int:
    if not value:
        raise ValueError("is empty")
    if unit := _SECONDS_TO_MS.get(form):
        if not _PLAIN["."].fullmatch(value) or Decimal(value).adjusted() > _MOST_DIGITS:
            raise ValueError(f"does not fit time.format {form}")
        return int(Decimal(value) * unit)
    try:
        # The zone follows.
        found = datetime.fromisoformat(value) if form == ISO else datetime.strptime(value, form)  # noqa: DTZ007
    except ValueError:
        raise ValueError("is not a time in ISO 8601" if form == ISO else f"does not fit time.format {form}") from None
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
        amount = number(cells[rule.column], rule.column, rule)
        if rule.times is not None:
            amount *= number(cells[rule.times], rule.times, rule)
        return amount * scale

    return cents


_PLAIN = {
    mark: re.compile(rf"[+-]?(\d+({re.escape(mark)}\d*)?|{re.escape(mark)}\d+)([eE][+-]?\d{{1,3}})?") for mark in ".,"
}
_MOST_DIGITS = 15
"""Before the decimal mark; more is no amount, no count and no time."""
_SPACES = str.maketrans("\u00a0\u202f\u2019", "  '")
"""How spreadsheets write the mark between thousands."""


def number(value: Any, column: str, rule: AmountRule | None = None) -> Decimal:
    """A finite decimal number, written as `rule.decimal` and `rule.thousands` say. What is written otherwise is refused, not guessed."""
    if isinstance(value, (int, Decimal)):
        return _finite(Decimal(value), column)
    if isinstance(value, float):
        return _finite(Decimal(str(value)), column)
    decimal, thousands = (rule.decimal, rule.thousands) if rule else (".", None)
    told = text(value)
    plain = told.translate(_SPACES)
    if thousands is not None and _grouped(decimal, thousands).fullmatch(plain):
        plain = plain.replace(thousands, "")
    if not _PLAIN[decimal].fullmatch(plain):
        raise BadCell(column, "is not a number", _number_remedy(plain, decimal, thousands), shown(told))
    return _finite(Decimal(plain.replace(decimal, ".")), column)


def _finite(found: Decimal, column: str) -> Decimal:
    if not found.is_finite() or found.adjusted() > _MOST_DIGITS:
        raise BadCell(column, "is not a finite number", "correct the row", shown(found))
    return found


@lru_cache
def _grouped(decimal: str, thousands: str) -> re.Pattern[str]:
    return re.compile(rf"[+-]?\d{{1,3}}({re.escape(thousands)}\d{{3}})+({re.escape(decimal)}\d*)?")


def _number_remedy(told: str, decimal: str, thousands: str | None) -> str:
    """The settings under which it would be a number; both, where a mark may mean either."""
    alone = [
        f'amount.decimal = "{mark}"'
        for mark in ".,"
        if mark not in {decimal, thousands} and _PLAIN[mark].fullmatch(told)
    ]
    grouped = [
        f'amount.thousands = "{group}"' + ("" if mark == decimal else f' and amount.decimal = "{mark}"')
        for group in ",. '"
        for mark in (decimal, ",", ".")
        if mark != group and (decimal in {mark, group} or mark in told) and _grouped(mark, group).fullmatch(told)
    ]
    settings = list(dict.fromkeys([*alone, *grouped]))
    if not settings:
        return "correct the row: digits and one decimal mark, no currency"
    return "if that is how the log writes numbers, set " + ", or ".join(settings)


def fields_of(rule: KindRule, written: AmountRule | None = None) -> Callable[[Cells], dict[str, Any]]:
    """The rule's `fields` as a function of the row; numbers (`written` so) where the event wants numbers."""
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
            found = number(value, name, written) if name in numeric else None
            body[name] = (
                value if found is None else int(found) if name in whole and found == int(found) else float(found)
            )
        return body

    return made


def _types(schema: dict[str, Any]) -> set[str]:
    return {part["type"] for part in (schema, *schema.get("anyOf", [])) if "type" in part}
