"""The sections of a mapping (`agents.mapping` describes them), each of which checks itself."""

import re
from functools import cached_property
from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from schemas.events import Activity, ConsentChanged, LeadMessage, event_classes
from streams.thresholds import Section

ALLOWED = {get_args(c.model_fields["type"].annotation)[0] for c in (*get_args(Activity), ConsentChanged)}
COMMON = {"type", *LeadMessage.model_fields}
_PLACE = re.compile(r"\{([^{}]+)\}")
Format = Literal["csv", "whitespace", "jsonl", "parquet"]


class FileShape(Section):
    """How the file is laid out. What is left out is guessed from the name (.csv, .tsv, .txt, .jsonl, .parquet)."""

    format: Format | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: str = "utf-8"
    header: bool = True
    columns: tuple[str, ...] = Field(default=(), description="names, where the file has no header")
    rename: dict[str, str] = Field(default={}, description="name in the file -> name used in this mapping")

    @field_validator("encoding")
    @classmethod
    def _reads_lines(cls, value: str) -> str:
        """Lines are cut at the byte of a line's end, so ASCII has to stay as it is."""
        try:
            plain = "\n,;\t".encode(value) == b"\n,;\t"
        except LookupError:
            plain = False
        if not plain:
            raise ValueError(f"{value!r} is not one of utf-8, cp1252, latin-1, ...; convert the file to UTF-8 (iconv)")
        return value

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.header and not self.columns:
            raise ValueError("header = false needs columns = [...]: name them in order")
        return self


class LeadRule(Section):
    """Which lead a row is about."""

    id: str = Field(description="template, like {customer_id}")
    missing: Literal["reject", "skip"] = "reject"


class TimeRule(Section):
    """When it happened. A date without an hour happened at `hour`, local time of `zone`."""

    column: str
    format: str = Field(default="iso", description="iso, epoch_s, epoch_ms, or a strptime pattern like %Y%m%d")
    zone: str = "UTC"
    hour: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None
    known: str | None = Field(default=None, description="column with the time at which the row was written down")

    @field_validator("format")
    @classmethod
    def _can_be_followed(cls, value: str) -> str:
        if value not in {"iso", "epoch_s", "epoch_ms"} and "%" not in value:
            raise ValueError(f"{value!r} is not iso, epoch_s, epoch_ms or a pattern like %d.%m.%Y %H:%M")
        return value

    @field_validator("zone")
    @classmethod
    def _exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("is not an IANA time zone, like America/New_York") from error
        return value


class AmountRule(Section):
    """Money of a row: `column` x `times`. A negative amount is a mistake unless `negative` says it is a refund."""

    column: str
    times: str | None = None
    unit: Literal["whole", "cents"] = "whole"
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    negative: Literal["reject", "refund_issued"] = "reject"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}; they have to differ")
        return self


class GroupRule(Section):
    """Rows of the same lead and time (and of `by`) are one event; their amounts are added."""

    by: tuple[str, ...] = ()


class KindRule(Section):
    """What rows that match `when` mean. Every matching rule gives its event; a row that none matches is reported."""

    when: dict[str, str | tuple[str, ...]] = Field(default={}, description="column -> value, or one of several")
    event: str | None = None
    kind: Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,64}$")] | None = None
    fields: dict[str, str | int | float | bool] = Field(
        default={}, description="field of the event -> template or value"
    )
    closes: Literal["won", "lost", "churned"] | None = None
    skip: bool = Field(default=False, description="known, and deliberately no event")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.skip == bool(self.event or self.closes):
            raise ValueError("give either event (and/or closes) or skip = true")
        if self.event is None:
            return self
        if self.event not in ALLOWED:
            raise ValueError(f"event {self.event!r} is not one of {', '.join(sorted(ALLOWED))}")
        if (self.event == "custom") != (self.kind is not None):
            raise ValueError('kind = "..." belongs to event = "custom", and only there')
        known = event_classes()[self.event].model_fields
        if unknown := set(self.fields) - set(known) | set(self.fields) & COMMON:
            there = ", ".join(sorted(set(known) - COMMON)) or "none"
            raise ValueError(f"fields: {self.event} has no {', '.join(sorted(unknown))} to set; it has {there}")
        needed = {name for name, field in known.items() if field.is_required()} - COMMON - {"kind", "amount_cents"}
        if lacking := needed - set(self.fields):
            raise ValueError(f"fields: {self.event} needs {', '.join(sorted(lacking))}")
        return self

    @cached_property
    def conditions(self) -> tuple[tuple[str, frozenset[str]], ...]:
        """Column -> values that match."""
        return tuple((c, frozenset([v] if isinstance(v, str) else v)) for c, v in self.when.items())

    @property
    def needs_amount(self) -> bool:
        """Whether the event is nothing without an amount."""
        return self.event in {"purchase_completed", "refund_issued"}

    @cached_property
    def takes_amount(self) -> bool:
        """Whether the event has room for the row's amount."""
        return self.event is not None and "amount_cents" in event_classes()[self.event].model_fields


def places(template: str) -> tuple[str, ...]:
    """Text and column names in turn: `a{b}c` -> ("a", "b", "c")."""
    return tuple(_PLACE.split(template))
