"""How somebody else's event log is read: a small TOML mapping, checked before the first row. Unknown keys are refused.

    name = "shop"         of the mapping; also the tenant, unless `tenant` is given
    description           a line for people
    tenant                whose leads these are
    id = "order_no"       column with an id of the event; left out: the row's number

    [file]                mostly guessed
      format              csv, whitespace, jsonl or parquet; left out: by the file's name
      delimiter           of a csv; left out: of `,` `;` tab and `|` the one that gives the columns used here
      encoding            left out: utf-8; cp1252 for files of older Windows programs
      header = false      the first line is data; needs `columns`
      columns             names in order, where there is no header or a wrong one
      rename              name in the file -> name used in this mapping
    [lead]
      id = "C{customer}"  a template: text, and columns in braces
      missing             reject (as if left out), or skip for rows about nobody
    [time]
      column
      format              iso (as if left out), epoch_s, epoch_ms, or a pattern of strptime like "%d.%m.%Y %H:%M"
      zone                of times without an offset, like "Europe/Berlin"; left out: UTC
      hour = "12:00"      when a date without an hour happened
      known               column with the time at which the row was written down, in the same format, where the log has one:
                          training then knows nothing sooner than that, and flags what is only written down afterwards
    [amount]              money of a row, exact
      column
      times               a second column to multiply by, like the quantity
      unit                whole (as if left out) or cents
      decimal = ","       the decimal mark; left out: the point
      thousands = "."     the mark between groups of three digits; left out: there is none
      negative            reject (as if left out), or refund_issued
    [group]               rows of the same lead and time are one event, like lines of an invoice; amounts are added
      by                  columns that have to be the same as well
    [[kinds]]             what a row means; every rule that matches gives its event
      when                column -> value, or a list of values; left out: every row
      event               a type that `leadkeeper events` lists
      kind                of a custom event
      fields              field of the event -> template or value
      closes              won, lost or churned: the lead is closed
      skip = true         known, and no event
    [profile]             what is known of the lead: a field of profile_updated, or `value` (money) -> template. A value that
                          cannot be used is rejected by itself; the row's event goes through
    [vocabulary.<kind>]   what a custom kind means, as in a policy
      family              browse, intent, reply, visit, purchase, trouble, payment, unanswered or other
      key                 whether it is a sign of life
    [label]               what "went quiet" means, for training
      churn               silence (as if left out) or closed
      closed_as           closings that count, with churn = "closed"
      gap_days            what it takes to act; nothing in it counts; left out: 0
      horizon_days        how long it has to be quiet; left out: what 95 % of the gaps in the log stay under
      eligible_days       judge only leads with a sign of life within so many days (3650: all); left out: what 95 % of the
                          gaps stay under, or all where churn = "closed"
      every_days          between two looks at all leads; left out: 7
      ages_days           test only at these ages (days since the first sign of life), like [7, 14]; training uses all

`decimal` and `thousands` hold for every number of the log, also in `fields` and `profile.value`.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from agents.policyfile.read import instead
from agents.sections import COMMON, AmountRule, FileShape, GroupRule, KindRule, LeadRule, TimeRule, places
from schemas.errors import MappingInvalid, MappingMissing
from schemas.events import ProfileUpdated
from schemas.units import TenantId
from streams.labels import Label
from streams.policy import Policy
from streams.thresholds import CustomKind, Section
from streams.vocabulary import Family, Kind

FOLDER = Path(__file__).resolve().parents[1] / "deploy" / "mappings"


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
        known = {"value", *ProfileUpdated.model_fields} - COMMON - {"value_cents"}
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
        yield from ((key, column) for key, template in templates.items() for column in places(template)[1::2])
        yield "time.column", self.time.column
        if self.time.known:
            yield "time.known", self.time.known
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
        raise MappingMissing(f"no mapping at {path}: give a .toml file or one of {shipped}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingInvalid(f"{path} is not TOML: {error}") from None
    return parse_mapping(raw, str(path))


def parse_mapping(raw: Mapping[str, Any], origin: str) -> Layout:
    """A mapping from parsed TOML. Raises MappingInvalid that names every wrong key."""
    try:
        return Layout.model_validate(raw)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or 'mapping'}: {remedy(e, Layout)}"
            for e in error.errors(include_input=False)
        ]
        raise MappingInvalid(f"{origin} is not a valid mapping:\n" + "\n".join(lines)) from None


def said(error: Any) -> str:
    """What pydantic complains of, without its own words for where the sentence came from."""
    return str(error["msg"]).removeprefix("Value error, ").rstrip(".")


def remedy(error: Any, model: type[BaseModel]) -> str:
    """What to do about a complaint of pydantic about a file of this shape."""
    if error["type"] == "extra_forbidden":
        return f"unknown key; {instead(model, error['loc'])}"
    if error["type"] == "missing":
        return "is missing"
    return said(error)
