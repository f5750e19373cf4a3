"""AACT's pipe-delimited tables, the registry as a relational database -> raw tables.

`studies` has a row for each trial, the others have rows by `nct_id`; see the data dictionary at
https://aact.ctti-clinicaltrials.org. The tables are parted by ranges of ids first, so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import polars as pl

from trialforge.ingest.clean import state_enrolment
from trialforge.ingest.raw import RawTable, RecordError
from trialforge.ingest.source import REFUSED_SCHEMA, Batch, no_refused, tally_file
from trialforge.ingest.tables import Header, read_rows, read_table, write_rows
from trialforge.ingest.typed import build_batch

PART_TRIALS = 4096  # of a range of ids; up to twice as many stay together, for which processes do not pay

# Field of the trial <- the columns that may hold it, the best first, by table.
_VALUES: dict[str, dict[str, tuple[str, ...]]] = {
    "studies": {
        "title": ("brief_title",),
        "official_title": ("official_title",),
        "phase": ("phase",),
        "study_type": ("study_type",),
        "enrolment": ("enrollment",),
        "enrolment_type": ("enrollment_type",),
        "status": ("overall_status",),
        "why_stopped": ("why_stopped",),
        # Where only a month is known, the column of days has the last one.
        "start_date": ("start_month_year", "start_date"),
        "primary_completion_date": ("primary_completion_month_year", "primary_completion_date"),
        "completion_date": ("completion_month_year", "completion_date"),
        "first_submitted": ("study_first_submitted_date", "first_received_date"),
        "last_updated": (
            "last_update_submitted_date", "last_changed_date", "lastchanged_date", "last_update_posted_date",
        ),
        "has_results": ("results_first_submitted_date", "first_received_results_date"),
    },
    "brief_summaries": {"summary": ("description",)},
    "detailed_descriptions": {"detailed_description": ("description",)},
    "designs": {
        "allocation": ("allocation",),
        "intervention_model": ("intervention_model",),
        "primary_purpose": ("primary_purpose",),
        "masking": ("masking",),
    },
    "eligibilities": {
        "criteria": ("criteria",),
        "sex": ("gender",),
        "minimum_age": ("minimum_age",),
        "maximum_age": ("maximum_age",),
        "healthy_volunteers": ("healthy_volunteers",),
    },
    "sponsors": {"sponsor_class": ("agency_class",)},
}  # fmt: skip
_LISTS = {
    "conditions": ("conditions", "name"),
    "keywords": ("keywords", "name"),
    "countries": ("countries", "name"),
    "condition_mesh": ("browse_conditions", "mesh_term"),
    "intervention_mesh": ("browse_interventions", "mesh_term"),
}
_PART_TABLES = (
    "interventions", "intervention_other_names", "design_groups", "design_group_interventions",
    "design_outcomes", "outcomes", "outcome_analyses",
)  # fmt: skip
TABLES = frozenset({*_VALUES, *(name for name, _ in _LISTS.values()), *_PART_TABLES})
_BLOCKS = ("criteria", "summary", "detailed_description")
# A text of an old export is one line, with `~` where a line ended.
_TILDES = r"^\s*~|[.:;]\s*~|~\s*~"
# The legacy XML's wrapped and indented paragraphs.
_WRAPPED = r"\r\n|\n {6,}\S"


@dataclass(slots=True)
class Snapshot:
    """The tables of one archive or folder.

    Attributes:
        origin: the file on the disk that tells of them.
        name: the archive or folder.
        tables: the header and the text of each, in UTF-8.
    """

    origin: str
    name: str
    tables: dict[str, tuple[Header, Path]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SnapshotPart:
    """The rows of some trials in all tables, as Arrow files or as they were read; small enough for memory."""

    origin: str
    name: str
    columns: Mapping[str, tuple[str, ...]]
    rows: Mapping[str, list[Path] | list[pl.DataFrame]]
    refused: pl.DataFrame

    def carry(self) -> SnapshotPart:
        """Return the same with its rows as they are read, for a machine that does not see the files."""
        return replace(self, rows={name: list(map(read_rows, rows)) for name, rows in self.rows.items()})

    def read(self) -> Batch:
        """Return the trials."""
        tables = {
            name: pl.concat(map(read_rows, self.rows[name]))
            if self.rows.get(name)
            else pl.DataFrame(schema=dict.fromkeys(columns, pl.String()))
            for name, columns in self.columns.items()
        }
        raw = _read_tables(tables, f"{self.name}/studies")
        blocks = [pl.col(name).str.contains(_WRAPPED) for name in _BLOCKS if name in raw.values.columns]
        wrapped = pl.any_horizontal(pl.lit(False), *blocks).fill_null(value=False)
        # Either has many small steps that leave a core idle, and polars works outside Python's lock.
        with ThreadPoolExecutor(2) as threads:
            made = [
                threads.submit(build_batch, raw.filter(wrapped), "aact", markdown=False),
                threads.submit(build_batch, raw.filter(~wrapped), "aact", markdown=True),
            ]
        batches = [one.result() for one in made]
        orphans = _find_orphans(tables, self.name)
        refused = pl.concat([self.refused, orphans, *(batch.refused for batch in batches)])
        batch = Batch(pl.concat([batch.trials for batch in batches]), refused, lacks={self.name: raw.lacks})
        return tally_file(batch, self.origin)


def split_snapshot(snapshot: Snapshot, folder: Path) -> Iterator[SnapshotPart]:
    """Yield the trials of a snapshot by ranges of ids; `folder` takes the files.

    Raises:
        RecordError: there is no table of studies.
    """
    if "studies" not in snapshot.tables:
        found = ", ".join(sorted(snapshot.tables))
        raise RecordError("unknown_form", f"AACT tables ({found}) without studies.txt, which has the trials")
    folder.mkdir()
    columns = {name: header.columns for name, (header, _) in snapshot.tables.items()}
    header, path = snapshot.tables["studies"]
    starts = _range_starts(path, header)
    files: dict[int, dict[str, list[Path] | list[pl.DataFrame]]] = {}
    bad: list[tuple[str, str, str, str]] = []
    for name, (header, path) in sorted(snapshot.tables.items()):
        written: Mapping[int, list[Path] | list[pl.DataFrame]]
        if len(starts) < 2:
            rows, faults = read_table(path, header, list)
            written = {0: [some.drop_nulls("nct_id") for some in rows]} if rows else {}
        else:
            written, faults = read_table(path, header, partial(_write_ranges, folder / name, starts))
        bad += [(f"{snapshot.name}/{name}:{line}", "", "malformed_row", fault) for line, fault in faults]
        for number, some in written.items():
            files.setdefault(number, {})[name] = some
        path.unlink()
    parts = [files[number] for number in sorted(files) if "studies" in files[number]]
    if not parts and not bad:
        bad = [(f"{snapshot.name}/studies", "", "no_trial", "a table without a row")]
    refused = pl.DataFrame(bad, REFUSED_SCHEMA, orient="row")
    for part in parts or [{}]:
        yield SnapshotPart(snapshot.origin, snapshot.name, columns, part, refused)
        refused = no_refused()


def _range_starts(path: Path, header: Header) -> pl.Series:
    """Return the first id of each range of ids, sorted."""
    columns, _ = read_table(path, header, lambda batches: [batch["nct_id"] for batch in batches])
    ids = pl.concat(columns or [pl.Series(dtype=pl.String)]).drop_nulls().sort()
    return ids.gather_every(PART_TRIALS) if len(ids) > 2 * PART_TRIALS else ids.head(1)


def _write_ranges(folder: Path, starts: pl.Series, batches: Iterator[pl.DataFrame]) -> dict[int, list[Path]]:
    return write_rows(folder, (part for batch in batches for part in _split_rows(batch, starts)))


def _split_rows(rows: pl.DataFrame, starts: pl.Series) -> list[tuple[int, pl.DataFrame]]:
    rows = rows.drop_nulls("nct_id")
    number = pl.Series("part", starts.search_sorted(rows["nct_id"], side="right")).cast(pl.Int64) - 1
    parts = rows.with_columns(number.clip(0)).partition_by("part", as_dict=True, include_key=False)
    return [(int(key[0]), part) for key, part in parts.items()]


def _find_orphans(tables: Mapping[str, pl.DataFrame], name: str) -> pl.DataFrame:
    """Return, as refused, the ids of each table that `studies` does not have."""
    known = tables["studies"].select("nct_id")
    return pl.concat([
        no_refused(),
        *(
            table.select("nct_id").unique(maintain_order=True).join(known, on="nct_id", how="anti").select(
                file=pl.lit(f"{name}/{one}"), record="nct_id", reason=pl.lit("no_study"),
                detail=pl.lit("no row of studies has this id"),
            )
            for one, table in tables.items()
        ),
    ])  # fmt: skip


def _read_tables(tables: Mapping[str, pl.DataFrame], file: str) -> RawTable:
    studies = tables["studies"].select(pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), pl.all())
    ids = studies.select("row", "nct_id")
    values = ids.with_columns(file=pl.lit(file))
    for name in (name for name in _VALUES if name in tables):
        table = tables[name]
        fields = [
            _column(table, *names).alias(field)
            for field, names in _VALUES[name].items()
            if {*names} & {*table.columns}
        ]
        if "lead_or_collaborator" in table.columns:
            table = table.filter(pl.col("lead_or_collaborator").str.to_lowercase() == "lead")
        one_each = table.select("nct_id", *fields).unique("nct_id", keep="first", maintain_order=True)
        values = values.join(one_each, on="nct_id", how="left", maintain_order="left")
    lists = {
        field: _items(tables[name], column, ids) for field, (name, column) in _LISTS.items() if name in tables
    }
    return RawTable(_mend_values(values), lists, _read_parts(tables, ids))


def _mend_values(values: pl.DataFrame) -> pl.DataFrame:
    """Return values with their lines apart, and with what the tables say in another way than a record."""
    known = {*values.columns}
    changes = {name: _break_lines(pl.col(name)) for name in _BLOCKS if name in known}
    if "has_results" in known:  # the day on which they were submitted
        posted = pl.col("has_results").is_not_null()
        changes["has_results"] = pl.when(posted).then(pl.lit("yes")).otherwise(pl.lit("no"))
    if "enrolment" in known:
        assumed = state_enrolment(pl.col("status") if "status" in known else None)
        changes["enrolment_type"] = (
            pl.coalesce("enrolment_type", assumed) if "enrolment_type" in known else assumed
        )
    return values.with_columns(**changes)


def _column(table: pl.DataFrame, *names: str) -> pl.Expr:
    """Return the first of some columns that is filled; null where the table has none of them."""
    return pl.coalesce(*(pl.col(name) for name in names if name in table.columns), pl.lit(None, pl.String))


def _break_lines(text: pl.Expr) -> pl.Expr:
    one_line = ~text.str.contains("\n", literal=True) & text.str.contains(_TILDES)
    return pl.when(one_line).then(text.str.replace_all("~", "\n", literal=True)).otherwise(text)


def _items(table: pl.DataFrame, column: str, ids: pl.DataFrame) -> pl.DataFrame:
    if "removed" in table.columns:  # of countries: sites that are no longer in the record
        table = table.filter(
            ~pl.col("removed").str.to_lowercase().is_in(["t", "true"]).fill_null(value=False)
        )
    if "mesh_type" in table.columns:
        table = table.filter(pl.col("mesh_type").fill_null("mesh-list") == "mesh-list")
    return table.join(ids, on="nct_id", maintain_order="left").select("row", item=_column(table, column))


def _read_parts(tables: Mapping[str, pl.DataFrame], ids: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the parts of trials that these tables have."""
    parts: dict[str, pl.DataFrame] = {}
    if (table := tables.get("interventions")) is not None:
        others = _gather_names(tables, "intervention_other_names", "intervention_id")
        parts["interventions"] = _join_names(table, others, ids).select(
            "row", type=_column(table, "intervention_type"), name=_column(table, "name"),
            description=_break_lines(_column(table, "description")), other_names="names",
        )  # fmt: skip
    if (table := tables.get("design_groups")) is not None:
        given = _gather_names(tables, "design_group_interventions", "design_group_id")
        parts["arms"] = _join_names(table, given, ids).select(
            "row", label=_column(table, "title"), type=_column(table, "group_type"),
            description=_break_lines(_column(table, "description")), interventions="names",
        )  # fmt: skip
    if (table := tables.get("design_outcomes")) is not None:
        outcomes = table.join(ids, on="nct_id", maintain_order="left").select(
            "row", kind=_column(table, "outcome_type").str.to_lowercase(), measure=_column(table, "measure"),
            time_frame=_column(table, "time_frame"), description=_break_lines(_column(table, "description")),
        )  # fmt: skip
        for kind in ("primary", "secondary"):
            parts[f"{kind}_outcomes"] = outcomes.filter(pl.col("kind") == kind).drop("kind")
    if "outcomes" in tables and "outcome_analyses" in tables:
        table = tables["outcome_analyses"]
        primary = tables["outcomes"].filter(pl.col("outcome_type").str.to_lowercase() == "primary")
        analyses = table.join(primary.select(outcome_id="id"), on="outcome_id", how="semi")
        p_value = pl.concat_str(
            _column(table, "p_value_modifier"), _column(table, "p_value"), ignore_nulls=True
        )
        parts["primary_analyses"] = analyses.join(ids, on="nct_id", maintain_order="left").select(
            "row", p_value=p_value.replace("", None), method=_column(table, "method"),
            hypothesis=_column(table, "non_inferiority_type"),
        )  # fmt: skip
    return parts


def _gather_names(tables: Mapping[str, pl.DataFrame], name: str, key: str) -> pl.DataFrame:
    """Return `names` by the number of an intervention (its other names) or of an arm (its interventions)."""
    table, interventions = tables.get(name), tables.get("interventions")
    if table is None or interventions is None:
        return pl.DataFrame(schema={"id": pl.String, "names": pl.List(pl.String)})
    if "name" not in table.columns:
        named = interventions.select(intervention_id="id", name="name")
        table = table.join(named, on="intervention_id", maintain_order="left")
    return table.group_by(pl.col(key).alias("id"), maintain_order=True).agg(names="name")


def _join_names(table: pl.DataFrame, names: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    numbered = table.with_columns(_column(table, "id").alias("id"))
    joined = numbered.join(ids, on="nct_id", maintain_order="left")
    return joined.join(names, on="id", how="left", maintain_order="left")
