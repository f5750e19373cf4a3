"""Batches in, one table out: memory stays flat, and of records with one id the newest is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from trialforge.core.errors import IngestError
from trialforge.core.files import atomic_path, disk_errors, write_parquet
from trialforge.ingest.source import REFUSED_SCHEMA, no_refused

_ROW_GROUP = 8192


class TableWriter:
    """Collects batches in part files beside the table; `finish` makes the table of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")
        self._parts: list[Path] = []
        self._keys: list[pl.DataFrame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def add(self, trials: pl.DataFrame) -> None:
        """Take one batch of trials; it has the columns of every other, `file` among them."""
        part = Path(self._folder.name) / f"{len(self._parts):06d}.parquet"
        with disk_errors(self._path):
            trials.write_parquet(part, compression="lz4")
        keys = trials.select("nct_id", "last_updated", "file")
        self._keys.append(
            keys.with_columns(part=pl.lit(len(self._parts), dtype=pl.Int64)).with_row_index("row")
        )
        self._parts.append(part)

    def finish(self, complete: Callable[[pl.DataFrame], pl.DataFrame] = lambda part: part) -> pl.DataFrame:
        """Write the table and return what it left out (REFUSED_SCHEMA): older records of a repeated id.

        Args:
            complete: adds to each batch what only the whole corpus could tell.

        Raises:
            IngestError: there was no batch.
        """
        if not self._parts:
            raise IngestError(
                "the source has no record at all", hint="look at `ingest.source` and `ingest.path`"
            )
        older = older_records(pl.concat(self._keys))
        for part, path in enumerate(self._parts):
            kept = pl.read_parquet(path).with_row_index("row")
            kept = kept.join(older.filter(part=part), on="row", how="anti", maintain_order="left")
            with disk_errors(self._path):
                complete(kept.drop("row")).write_parquet(path, compression="lz4")
        with atomic_path(self._path) as temporary:
            table = pl.scan_parquet(self._parts).drop("file")
            table.sink_parquet(temporary, compression="zstd", row_group_size=_ROW_GROUP, maintain_order=True)
        return older.select(REFUSED_SCHEMA.keys())


def older_records(keys: pl.DataFrame) -> pl.DataFrame:
    """Return the rows to leave out, with `record`, `reason` and `detail`.

    Of the records of one id the one last updated is kept, of equal ones the last read.
    """
    order = keys.with_columns(place=pl.struct("part", "row").rank("ordinal"))
    newest = order.sort("last_updated", "place", nulls_last=False).unique("nct_id", keep="last")
    kept = newest.select("nct_id", kept_file="file", kept_date="last_updated", kept_place="place")
    older = order.join(kept, on="nct_id", how="left").filter(pl.col("place") != pl.col("kept_place"))
    return older.sort("place").with_columns(
        record="nct_id",
        reason=pl.lit("duplicate-id"),
        detail=pl.format(
            "kept is the record of {} in {}",
            pl.col("kept_date").cast(pl.String).fill_null("no date"),
            "kept_file",
        ),
    )


def write_refused(refused: list[pl.DataFrame], path: Path) -> pl.DataFrame:
    """Write all refused records as one table, and return it."""
    table = pl.concat([no_refused(), *refused])
    write_parquet(table, path)
    return table
