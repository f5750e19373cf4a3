"""The tables of the TOP benchmark (trial outcome prediction), which a user may have.

Their labels descend from a commercial source, and their terms are non-commercial.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from glob import glob, has_magic
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from trialforge.core.errors import IngestError
from trialforge.ingest.raw import RawIntervention, RawTrial, RecordError, tabulate
from trialforge.ingest.source import REFUSED_SCHEMA, Batch, Prepare, Source, leave_batch
from trialforge.ingest.typed import MAX_FIELD, build_batch

TOP_COLUMNS = (
    "nctid", "status", "why_stop", "label", "phase", "diseases", "icdcodes", "drugs", "smiless", "criteria",
)  # fmt: skip
_PARTS = {"train": "train", "valid": "validation", "validation": "validation", "test": "test"}
_BATCH = 2048


def read_top(path: str) -> pl.DataFrame:
    """Return TOP_COLUMNS, `bad_label`, `part` and `file` of TOP tables; the list columns are texts still.

    A label other than 0 and 1 is in `bad_label`, and `label` is null there.

    Args:
        path: a CSV file (or .csv.gz), a folder of them, or a pattern as `top/phase_I_*.csv.gz`. A name that
            ends in `_train`, `_valid` or `_test` tells the `part` of its rows: train, validation or test.

    Raises:
        IngestError: nothing is there, or a table can't be read or lacks a column.
    """
    if has_magic(path):
        files = sorted(map(Path, glob(path)))  # noqa: PTH207 - a pattern may be absolute
    elif Path(path).is_dir():
        files = sorted(file for file in Path(path).iterdir() if file.name.endswith((".csv", ".csv.gz")))
    else:
        files = [Path(path)]
    if not any(file.exists() for file in files):
        raise IngestError(
            f"no TOP table (.csv or .csv.gz) at {path}", hint="put it there, or set `ingest.top_path`"
        )
    return pl.concat(map(_read_table, files))


def _read_table(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_csv(path, infer_schema=False, truncate_ragged_lines=False)
    except (PolarsError, OSError) as error:
        raise IngestError(f"TOP table {path} can't be read: {error}") from error
    missing = [name for name in TOP_COLUMNS if name not in table.columns]
    if missing:
        raise IngestError(
            f"TOP table {path} lacks {', '.join(missing)}; its columns are {', '.join(table.columns)}"
        )
    part = _PARTS.get(path.name.split(".")[0].lower().rpartition("_")[2])
    rows = pl.format("{}:{}", pl.lit(path.name), pl.int_range(2, pl.len() + 2))
    number = pl.col("label").str.strip_chars().cast(pl.Float64, strict=False)
    label = pl.when(number.is_in([0.0, 1.0])).then(number).cast(pl.Int64)
    return table.select(
        *TOP_COLUMNS[:3], label, *TOP_COLUMNS[4:],
        bad_label=pl.when(label.is_null()).then("label"),
        part=pl.lit(part, dtype=pl.String), file=rows,
    )  # fmt: skip


def refuse_labels(path: str) -> pl.DataFrame:
    """Return the labels of TOP tables that are none (REFUSED_SCHEMA); their trials stay, unlabelled."""
    detail = pl.format("label {}; allowed are 0 and 1; the trial is kept without it", "bad_label")
    bad = read_top(path).drop_nulls("bad_label")
    return bad.select(
        "file", record=pl.col("nctid").fill_null(""), reason=pl.lit("unknown_label"), detail=detail
    )


class TopSource:
    """The trials of TOP tables, each as its registry record says where `records` has it."""

    def __init__(self, path: str, records: Source | None = None) -> None:
        self._path = path
        self._records = records

    def batches(self, prepare: Prepare = leave_batch) -> Iterator[Batch]:
        """Yield the registry records that the tables name, then the rows that no record was found for."""
        table = read_top(self._path)
        found = pl.Series(dtype=pl.String)
        if self._records:
            for batch in self._records.batches(partial(_choose, table["nctid"], prepare)):
                found.extend(batch.trials["nct_id"])
                yield batch
        alone = table.filter(~pl.col("nctid").is_in(found.implode()).fill_null(value=False))
        for part in alone.iter_slices(_BATCH):
            yield prepare(_build(part))


def _choose(nct_ids: pl.Series, prepare: Prepare, batch: Batch) -> Batch:
    return prepare(replace(batch, trials=batch.trials.filter(pl.col("nct_id").is_in(nct_ids.implode()))))


def _build(table: pl.DataFrame) -> Batch:
    raws: list[RawTrial] = []
    files: list[str] = []
    refused: list[tuple[str, str, str, str]] = []
    for row in table.iter_rows(named=True):
        try:
            raws.append(_parse_row(row))
        except RecordError as error:
            refused.append((row["file"], row["nctid"] or "", error.reason, error.detail))
        else:
            files.append(row["file"])
    batch = build_batch(tabulate(raws, files), "top", markdown=False)
    return Batch(
        batch.trials, pl.concat([pl.DataFrame(refused, REFUSED_SCHEMA, orient="row"), batch.refused])
    )


def _parse_row(row: dict[str, str | None]) -> RawTrial:
    return RawTrial(
        {
            "nct_id": row["nctid"], "status": row["status"], "why_stopped": row["why_stop"],
            "phase": row["phase"], "criteria": row["criteria"],
        },
        conditions=_names(row["diseases"], "diseases"),
        interventions=[RawIntervention("Drug", name, None, [], []) for name in _names(row["drugs"], "drugs")],
    )  # fmt: skip


def _names(text: str | None, column: str) -> list[str]:
    """Return the names of a list that is written as Python writes one."""
    if not text:
        return []
    try:
        names = ast.literal_eval(text) if len(text) <= MAX_FIELD else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RecordError("malformed_list", f"{column} is not a list of names: {text[:60]!r}")
    return names
