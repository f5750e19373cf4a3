"""A record as its file says it: plain strings, the same for every form of record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from trialforge.trial.record import TRIAL_SCHEMA

MAX_RECORD = 32 * 1024 * 1024  # bytes


class RecordError(Exception):
    """One record or file can't be used; it becomes a row of the refused table.

    Args:
        reason: the code under which it is counted, as `malformed_xml`.
        detail: what was found.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)  # both, or it could not be sent to another process
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class RawIntervention(NamedTuple):
    """An intervention; `arm_labels` names the arms that get it."""

    type: str | None
    name: str | None
    description: str | None
    other_names: list[str]
    arm_labels: list[str]


class RawArm(NamedTuple):
    """An arm; `interventions` are names that the record itself lists for it."""

    label: str | None
    type: str | None
    description: str | None
    interventions: list[str]


class RawEndpoint(NamedTuple):
    """A primary or secondary outcome."""

    measure: str | None
    time_frame: str | None
    description: str | None


class RawAnalysis(NamedTuple):
    """A posted analysis of a primary outcome."""

    p_value: str | None
    method: str | None
    hypothesis: str | None


@dataclass(slots=True)
class RawTrial:
    """All that is read of one record. `values` holds the fields that are one string each."""

    values: dict[str, str | None] = field(default_factory=dict)
    conditions: list[str] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    condition_mesh: list[str] = field(default_factory=list)
    intervention_mesh: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)
    interventions: list[RawIntervention] = field(default_factory=list)
    arms: list[RawArm] = field(default_factory=list)
    primary_outcomes: list[RawEndpoint] = field(default_factory=list)
    secondary_outcomes: list[RawEndpoint] = field(default_factory=list)
    primary_analyses: list[RawAnalysis] = field(default_factory=list)


# The keys of `RawTrial.values`.
VALUES: tuple[str, ...] = (
    "nct_id", "title", "official_title", "phase", "study_type", "summary", "allocation",
    "intervention_model", "masking", "primary_purpose", "criteria", "minimum_age", "maximum_age", "sex",
    "healthy_volunteers", "enrolment", "enrolment_type", "detailed_description", "sponsor_class",
    "first_submitted", "start_date", "primary_completion_date", "completion_date", "last_updated",
    "status", "why_stopped", "has_results",
)  # fmt: skip
LIST_FIELDS = ("conditions", "keywords", "condition_mesh", "intervention_mesh", "countries")
PART_FIELDS = ("interventions", "arms", "primary_outcomes", "secondary_outcomes", "primary_analyses")


def part_schema(name: str) -> dict[str, Any]:
    """Return the columns of one part of a trial, as of an intervention: strings, and lists of strings."""
    kind = TRIAL_SCHEMA[name]
    if not isinstance(kind, pl.List) or not isinstance(kind.inner, pl.Struct):
        raise TypeError(f"{name} is not a list of parts")
    return dict(kind.inner.to_schema())


@dataclass(frozen=True, slots=True)
class RawTable:
    """Records as flat tables of strings.

    Attributes:
        values: `row`, `file` and those of VALUES that the form of the file has, one row a record.
        lists: for some of LIST_FIELDS, `row` of the record and `item`.
        parts: for some of PART_FIELDS, `row` of the record and the columns of a part.
    """

    values: pl.DataFrame
    lists: Mapping[str, pl.DataFrame]
    parts: Mapping[str, pl.DataFrame]

    @property
    def lacks(self) -> tuple[str, ...]:
        """The fields that the form of the file has no place for."""
        known = {*self.values.columns, *self.lists, *self.parts, "enrolment_type"}
        return tuple(name for name in (*VALUES, *LIST_FIELDS, *PART_FIELDS) if name not in known)

    def filter(self, keep: pl.Expr) -> RawTable:
        """Return the records for which an expression over `values` holds."""
        values = self.values.filter(keep)
        if values.height == self.values.height:
            return self
        rows = values.select("row")
        return RawTable(
            values,
            {name: table.join(rows, on="row", how="semi") for name, table in self.lists.items()},
            {name: table.join(rows, on="row", how="semi") for name, table in self.parts.items()},
        )


def tabulate(raws: Sequence[RawTrial], files: Sequence[str]) -> RawTable:
    """Return records as flat tables; `files` says where each came from."""
    columns = {name: [raw.values.get(name) for raw in raws] for name in VALUES}
    values = pl.DataFrame({"file": files} | columns, schema=dict.fromkeys(("file", *VALUES), pl.String()))
    row = pl.int_range(pl.len(), dtype=pl.Int64).alias("row")
    return RawTable(
        values.select(row, *values.columns),
        {name: _tabulate_items(raws, name) for name in LIST_FIELDS},
        {name: _tabulate_parts(raws, name) for name in PART_FIELDS},
    )


def _tabulate_items(raws: Sequence[RawTrial], name: str) -> pl.DataFrame:
    pairs = [(row, item) for row, raw in enumerate(raws) for item in getattr(raw, name)]
    return pl.DataFrame(pairs, schema={"row": pl.Int64, "item": pl.String}, orient="row")


def _tabulate_parts(raws: Sequence[RawTrial], name: str) -> pl.DataFrame:
    schema = part_schema(name)
    parts = [part for raw in raws for part in getattr(raw, name)]
    rows = pl.Series("row", [row for row, raw in enumerate(raws) for _ in getattr(raw, name)], pl.Int64)
    columns = [
        pl.Series(field, [getattr(part, field) for part in parts], kind) for field, kind in schema.items()
    ]
    return pl.DataFrame([rows, *columns])


def link_arms(raw: RawTrial) -> None:
    """Give each arm the names of the interventions that list it, or else those it lists itself."""
    raw.arms = [
        arm._replace(
            interventions=[one.name for one in raw.interventions if one.name and arm.label in one.arm_labels]
            or arm.interventions
        )
        for arm in raw.arms
    ]
