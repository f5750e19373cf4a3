"""The table that the registry's download button gives, as CSV or TSV -> raw tables.

It has far less than a record: no criteria, no ages in years, no arms, no MeSH terms. The names of columns are
those of now and those of the site before 2023.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from trialforge.ingest.clean import state_enrolment
from trialforge.ingest.raw import RawTable
from trialforge.ingest.source import BATCH_SCHEMA, REFUSED_SCHEMA, Batch, no_refused, tally_file
from trialforge.ingest.tables import Header, read_rows, read_table, write_rows
from trialforge.ingest.typed import build_batch

# Field of the trial <- the columns that may hold it.
_VALUES = {
    "nct_id": ("nct_number", "nct_id", "nctid"),
    "title": ("study_title", "title", "brief_title"),
    "status": ("study_status", "status", "overall_status"),
    "summary": ("brief_summary",),
    "has_results": ("study_results",),
    "sex": ("sex", "gender"),
    "phase": ("phases", "phase"),
    "enrolment": ("enrollment",),
    "sponsor_class": ("funder_type", "funded_bys"),
    "study_type": ("study_type",),
    "start_date": ("start_date",),
    "primary_completion_date": ("primary_completion_date",),
    "completion_date": ("completion_date",),
    # The day on which the newest version was posted, some days after it was submitted.
    "last_updated": ("last_update_posted",),
}
_DESIGN = {
    "allocation": r"Allocation: ([^|]+)",
    "intervention_model": r"Intervention Model: ([^|]+)",
    "masking": r"Masking: ([^|(]+)",
    "primary_purpose": r"Primary Purpose: ([^|]+)",
}
_DESIGN_COLUMNS = ("study_design", "study_designs")
_AGES = {"minimum_age": r"^(\d+ \w+?s?)(?: to| and)", "maximum_age": r"(?: to|^up to) (\d+ \w+)"}
_OUTCOMES = {"primary_outcomes": ("primary_outcome_measures", "outcome_measures"),
             "secondary_outcomes": ("secondary_outcome_measures",)}  # fmt: skip
_DATES = ("start_date", "primary_completion_date", "completion_date", "last_updated")
ID_COLUMNS = _VALUES["nct_id"]
# Dates as `5/12/2020`: a day above 12 tells whether the days or the months of a column come first.
_SLASHED = r"^\s*(\d{1,2})/(\d{1,2})/\d{4}\s*$"
_ORDERS = ("%d/%m/%Y", "%m/%d/%Y")  # by the place of the day


@dataclass(frozen=True, slots=True)
class Export:
    """The registry's CSV or TSV export as a file in UTF-8."""

    origin: str
    name: str
    header: Header
    path: Path

    def split(self, folder: Path) -> Iterator[ExportPart]:
        """Yield the rows of the table, some thousands at a time; `folder` takes their files."""
        dates = {name for field in _DATES if (name := _find(self.header.columns, _VALUES[field]))}
        orders: set[tuple[str, str]] = set()

        def number(batches: Iterator[pl.DataFrame]) -> Iterator[tuple[int, pl.DataFrame]]:
            first = 1
            for rows in batches:
                orders.update(_find_orders(rows, dates))
                yield 0, rows.with_columns(line=pl.int_range(first, first + pl.len()))
                first += rows.height

        read = read_table(self.path, self.header, lambda batches: write_rows(folder, number(batches)))
        files, faults = read
        bad = [(f"{self.name}:line {line}", "", "malformed_row", fault) for line, fault in faults]
        if not files and not bad:
            bad = [(self.name, "", "no_trial", "a table without a row")]
        refused = pl.DataFrame(bad, REFUSED_SCHEMA, orient="row")
        for path in files.get(0, []):
            yield ExportPart(self.origin, self.name, path, refused, _choose_orders(orders))
            refused = no_refused()
        if not files:
            yield ExportPart(self.origin, self.name, None, refused)


@dataclass(frozen=True, slots=True)
class ExportPart:
    """Some rows of an export, as an Arrow file or as they were read; `orders` are those of dates."""

    origin: str
    name: str
    rows: Path | pl.DataFrame | None
    refused: pl.DataFrame
    orders: Mapping[str, str] = field(default_factory=dict)

    def carry(self) -> ExportPart:
        """Return the same with its rows as they are read, for a machine that does not see the file."""
        return self if self.rows is None else replace(self, rows=read_rows(self.rows))

    def read(self) -> Batch:
        """Return the trials."""
        if self.rows is None:
            return tally_file(Batch(pl.DataFrame(schema=BATCH_SCHEMA), self.refused), self.origin)
        table = read_export(_write_days(read_rows(self.rows), self.orders), self.name)
        batch = build_batch(table, "ctgov-csv", markdown=True)
        whole = replace(
            batch, refused=pl.concat([self.refused, batch.refused]), lacks={self.name: table.lacks}
        )
        return tally_file(whole, self.origin)


def _find_orders(rows: pl.DataFrame, columns: Iterable[str]) -> set[tuple[str, str]]:
    """Return each column that has a day above 12, with the order that this day tells."""
    return {
        (column, order)
        for column in columns
        for place, order in enumerate(_ORDERS, start=1)
        if (rows[column].str.extract(_SLASHED, place).cast(pl.Int64) > 12).any()
    }


def _choose_orders(found: set[tuple[str, str]]) -> dict[str, str]:
    """Return the order of each column, without the columns in which both were found."""
    columns = [column for column, _ in found]
    return {column: order for column, order in found if columns.count(column) == 1}


def _write_days(rows: pl.DataFrame, orders: Mapping[str, str]) -> pl.DataFrame:
    """Return rows in which the dates of the columns with an order are written as `2020-12-05`."""
    return rows.with_columns(
        pl.coalesce(
            pl.col(column).str.strip_chars().str.to_date(order, strict=False).dt.to_string("%Y-%m-%d"), column
        )
        for column, order in orders.items()
    )


def read_export(table: pl.DataFrame, file: str) -> RawTable:
    """Return the trials of some rows of the table; `file` is its name."""
    table = table.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), pl.all())
    values = table.select(
        "row", pl.format("{}:{}", pl.lit(file), "line").alias("file"), *_values(table.columns)
    )
    lists = {"conditions": ("conditions",), "countries": ("locations",)}
    parts = _OUTCOMES | {"interventions": ("interventions",)}
    items = {
        field: _split_items(table, column)
        for field, names in (lists | parts).items()
        if (column := _find(table.columns, names))
    }
    readers = dict.fromkeys(_OUTCOMES, _read_outcomes) | {"interventions": _read_interventions}
    if "countries" in items:
        items["countries"] = items["countries"].with_columns(pl.col("item").str.split(", ").list.last())
    return RawTable(
        values,
        {field: items[field] for field in lists if field in items},
        {field: readers[field](items[field]) for field in parts if field in items},
    )


def _find(columns: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _values(columns: Sequence[str]) -> Iterator[pl.Expr]:
    """Yield the fields that are one value, of the columns that the table has."""
    found = {field: pl.col(column) for field, names in _VALUES.items() if (column := _find(columns, names))}
    if design := _find(columns, _DESIGN_COLUMNS):
        found |= {field: pl.col(design).str.extract(pattern) for field, pattern in _DESIGN.items()}
    if {"gender", "age"} <= {*columns}:  # the table of before 2023 gave ages in years
        found |= {field: pl.col("age").str.extract(pattern) for field, pattern in _AGES.items()}
    if "has_results" in found:
        posted = found["has_results"].str.to_lowercase().is_in(["yes", "has results"])
        found["has_results"] = pl.when(posted).then(pl.lit("yes")).otherwise(pl.lit("no"))
    if "enrolment" in found:
        found["enrolment_type"] = state_enrolment(found.get("status"))
    if "sponsor_class" in found:  # several classes stand in no order, so which one leads can't be told
        one = ~found["sponsor_class"].str.contains("|", literal=True)
        found["sponsor_class"] = pl.when(one).then(found["sponsor_class"])
    return (value.alias(field) for field, value in found.items())


def _split_items(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return `row` and `item` of a column whose cells are lists, as `a|b`."""
    items = table.select("row", item=pl.col(column).str.split("|")).explode("item")
    return items.filter(pl.col("item") != "")


def _read_interventions(items: pl.DataFrame) -> pl.DataFrame:
    """Return interventions, each written as `DRUG: aspirin`."""
    found = pl.col("item").str.extract_groups(r"^(?:([A-Za-z_ ]+): )?(.*)$").struct
    return items.select(
        "row", type=found.field("1"), name=found.field("2"), description=pl.lit(None, pl.String),
        other_names=pl.lit([], pl.List(pl.String)),
    )  # fmt: skip


def _read_outcomes(items: pl.DataFrame) -> pl.DataFrame:
    """Return endpoints, each written as `measure, description, time frame`; only the last is told apart."""
    found = pl.col("item").str.extract_groups(r"(?s)^(.*?)(?:, ([^,]*))?$").struct
    return items.select(
        "row", measure=found.field("1"), time_frame=found.field("2"), description=pl.lit(None, pl.String)
    )
