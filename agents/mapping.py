"""How somebody else's event log is read: a small TOML mapping, checked before the first row.

    name = "shop"                     also the tenant, unless `tenant` is given
    [file]     format, delimiter, header, columns, rename     mostly guessed from the file's name
    [lead]     id = "{customer_id}"                           a template; `missing = "skip"` for rows about nobody
    [time]     column, format, zone, hour                     naive times are local to `zone`
    [amount]   column, times, unit, negative                  money, exact
    [group]    by, items                                      many rows, one event: lines of an invoice
    [[kinds]]  when, event, kind, fields, closes, skip        what a row means
    [profile]  email = "{customer_id}@shop.example", ...      what is known of the lead
    [vocabulary.<kind>]  family, key                          as in a policy
    [label]    churn, gap_days, horizon_days, eligible_days   what "went quiet" means, for training

Unknown keys are refused, with the key, the file and the remedy.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator

from schemas.errors import MappingInvalid
from schemas.events import Activity, ConsentChanged, LeadMessage, ProfileUpdated, event_classes
from schemas.units import TenantId
from streams.labels import Label
from streams.policy import CustomKind, Policy, Section
from streams.vocabulary import Family, Kind

FOLDER = Path(__file__).resolve().parents[1] / "deploy" / "mappings"
ALLOWED = {get_args(c.model_fields["type"].annotation)[0] for c in (*get_args(Activity), ConsentChanged)}
_COMMON = {"type", *LeadMessage.model_fields}
_PLACE = re.compile(r"\{([^{}]+)\}")
Format = Literal["csv", "whitespace", "jsonl", "parquet"]


class FileShape(Section):
    """How the file is laid out. What is left out is guessed from the name (.csv, .tsv, .txt, .jsonl, .parquet)."""

    format: Format | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    header: bool = True
    columns: tuple[str, ...] = Field(default=(), description="names, where the file has no header")
    rename: dict[str, str] = Field(default={}, description="name in the file -> name used in this mapping")

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
    negative: Literal["reject", "refund_issued"] = "reject"


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
        if unknown := set(self.fields) - set(known) | set(self.fields) & _COMMON:
            raise ValueError(f"fields: {self.event} has no {', '.join(sorted(unknown))} to set")
        needed = {name for name, field in known.items() if field.is_required()} - _COMMON - {"kind", "amount_cents"}
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


class Layout(Section):
    """A whole mapping, checked."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: str = ""
    tenant: TenantId | None = None
    id: str | None = Field(default=None, description="column with an id of the event; left out: the row's number")
    file: FileShape = FileShape()
    lead: LeadRule
    time: TimeRule
    amount: AmountRule | None = None
    group: GroupRule | None = None
    kinds: Annotated[tuple[KindRule, ...], Field(min_length=1)]
    profile: dict[str, str] = Field(default={}, description="field of profile_updated (or `value`, money) -> template")
    vocabulary: dict[str, CustomKind] = Field(default={}, description="as in a policy")
    label: Label = Label()

    @field_validator("profile")
    @classmethod
    def _fields_exist(cls, value: dict[str, str]) -> dict[str, str]:
        known = {"value", *ProfileUpdated.model_fields} - _COMMON - {"value_cents"}
        if unknown := set(value) - known:
            raise ValueError(f"a profile has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for place, rule in enumerate(self.kinds):
            if rule.needs_amount and self.amount is None:
                raise ValueError(f"kinds.{place}: {rule.event} needs an [amount] section")
        if self.id is not None and self.group is not None:
            raise ValueError("id and [group] exclude each other: a group has an id of its own")
        return self

    @cached_property
    def of_tenant(self) -> str:
        """The tenant its leads belong to."""
        return self.tenant or self.name

    @cached_property
    def meanings(self) -> Mapping[str, Kind]:
        """Custom kinds, for `streams.vocabulary`."""
        return {name: Kind(Family[k.family.upper()], k.key) for name, k in self.vocabulary.items()}

    def columns(self) -> dict[str, str]:
        """Every column that is used -> the key that uses it."""
        return {column: key for key, column in self._uses()}

    def _uses(self) -> Iterator[tuple[str, str]]:
        templates = {"lead.id": self.lead.id, **{f"profile.{k}": t for k, t in self.profile.items()}}
        for place, rule in enumerate(self.kinds):
            yield from ((f"kinds.{place}.when", column) for column in rule.when)
            templates |= {f"kinds.{place}.fields.{k}": t for k, t in rule.fields.items() if isinstance(t, str)}
        yield from ((key, column) for key, template in templates.items() for column in _PLACE.findall(template))
        yield "time.column", self.time.column
        if self.id:
            yield "id", self.id
        if self.amount:
            yield from (
                ("amount.column", self.amount.column),
                ("amount.times", self.amount.times or self.amount.column),
            )
        if self.group:
            yield from (("group.by", column) for column in self.group.by)

    def policy_with(self, policy: Policy) -> Policy:
        """The policy, told what this log's kinds mean. The mapping's words win."""
        words = {name: kind.model_dump() for name, kind in {**policy.vocabulary, **self.vocabulary}.items()}
        return Policy.model_validate({**policy.model_dump(), "vocabulary": words})


def places(template: str) -> tuple[str, ...]:
    """Text and column names in turn: `a{b}c` -> ("a", "b", "c")."""
    return tuple(_PLACE.split(template))


def load_mapping(name: str | Path) -> Layout:
    """A mapping by path, or by the name of one that is shipped in `deploy/mappings`.

    Raises:
        MappingInvalid: no such file, not TOML, or wrong keys; says which and what is expected.
    """
    path = Path(name)
    if path.suffix != ".toml" and not path.exists():
        path = FOLDER / f"{name}.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        shipped = ", ".join(sorted(p.stem for p in FOLDER.glob("*.toml")))
        raise MappingInvalid(f"no mapping at {path}: give a .toml file or one of {shipped}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingInvalid(f"{path} is not TOML: {error}") from None
    return parse_mapping(raw, str(path))


def parse_mapping(raw: Mapping[str, Any], origin: str) -> Layout:
    """A mapping from parsed TOML. Raises MappingInvalid that names every wrong key."""
    try:
        return Layout.model_validate(raw)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or 'mapping'}: {_remedy(e)}" for e in error.errors(include_input=False)
        ]
        raise MappingInvalid(f"{origin} is not a valid mapping:\n" + "\n".join(lines)) from None


def _remedy(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key; see the top of agents/mapping.py for those there are"
    if error["type"] == "missing":
        return "is missing"
    return str(error["msg"])
