"""Batches in, one table out, with flat memory: one record a trial, and only the trials that are wanted."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from trialforge.core.errors import IngestError
from trialforge.core.files import atomic_path, disk_errors
from trialforge.ingest.merge import merge_records, version_date
from trialforge.ingest.source import REFUSED_SCHEMA, no_refused

_ROW_GROUP = 8192
_BUCKET_TRIALS = 8192
_KEYS = ("nct_id", "source", "last_updated", "file", "place")


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of trials that have several records.

    Attributes:
        older: the records that are left out (REFUSED_SCHEMA).
        trials: how many trials have several.
        filled: for each field, how many of them have it from an older record.
    """

    older: pl.DataFrame
    trials: int
    filled: Counter[str]


class TableWriter:
    """Collects batches in part files beside the table; `finish` makes the table of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")
        self._parts: list[Path] = []
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def add(self, trials: pl.DataFrame) -> None:
        """Take one batch of trials; it has the columns of every other, `file` among them."""
        placed = trials.with_columns(place=pl.int_range(pl.len(), dtype=pl.Int64) + self._count)
        self._count += placed.height
        self._write_part(placed)

    def _write_part(self, trials: pl.DataFrame) -> None:
        self._parts.append(Path(self._folder.name) / f"{len(self._parts):06d}.arrow")
        with disk_errors(self._path):
            trials.write_ipc(self._parts[-1])

    def merge(self) -> Merged:
        """Make one record of all that one id has; those trials come last, in order of id."""
        keys = [pl.scan_ipc(path).select(_KEYS) for path in self._parts]
        read = [
            pl.Series("nct_id", dtype=pl.String),
            *(part.select("nct_id").collect()["nct_id"] for part in keys),
        ]
        ids = pl.concat(read)
        ids = ids.filter(ids.is_duplicated()).unique().sort()
        if ids.is_empty():
            return Merged(no_refused(), 0, Counter())
        several = pl.concat(keys).filter(pl.col("nct_id").is_in(ids.implode())).collect()
        buckets = ids.to_frame().with_columns(bucket=pl.int_range(pl.len()) // _BUCKET_TRIALS)
        filled: Counter[str] = Counter()
        for files in self._part_by_bucket(buckets).values():
            merged, counts = merge_records(pl.concat(map(pl.read_ipc, files)))
            self._write_part(merged)
            filled += counts
        return Merged(older_records(several), len(ids), filled)

    def _part_by_bucket(self, buckets: pl.DataFrame) -> dict[int, list[Path]]:
        """Move the records whose ids have a bucket out of the parts; return their files by bucket."""
        written: dict[int, list[Path]] = {}
        waiting: list[pl.DataFrame] = []
        for path in self._parts:
            part = pl.read_ipc(path)
            moved = part.join(buckets, on="nct_id", maintain_order="left")
            if moved.height:
                _rewrite(path, part.join(buckets, on="nct_id", how="anti", maintain_order="left"))
                waiting.append(moved)
            if waiting and (path == self._parts[-1] or sum(map(len, waiting)) >= _BUCKET_TRIALS):
                for (bucket, *_), rows in pl.concat(waiting).partition_by("bucket", as_dict=True).items():
                    files = written.setdefault(int(bucket), [])
                    files.append(Path(self._folder.name) / f"bucket-{bucket}-{len(files)}.arrow")
                    rows.drop("bucket").write_ipc(files[-1])
                waiting = []
        return dict(sorted(written.items()))

    def leave_out(self, reason: pl.Expr, detail: pl.Expr) -> pl.DataFrame:
        """Drop the trials for which there is a reason, and return them (REFUSED_SCHEMA).

        Raises:
            IngestError: none stays.
        """
        left_out = [no_refused()]
        stay = 0
        for path in self._parts:
            part = pl.read_ipc(path).with_columns(reason=reason)
            some = part.drop_nulls("reason")
            stay += part.height - some.height
            if some.height:
                rows = some.select("file", record="nct_id", reason="reason", detail=detail)
                left_out.append(rows.select(REFUSED_SCHEMA.keys()))
                _rewrite(path, part.filter(pl.col("reason").is_null()).drop("reason"))
        table = pl.concat(left_out)
        if table.height and not stay:
            counts = ", ".join(f"{count} {why}" for why, count in sorted(Counter(table["reason"]).items()))
            raise IngestError(f"no trials are left: {counts}", hint="check `ingest.population`")
        return table

    def parts(self) -> Iterator[pl.DataFrame]:
        """Yield the trials, some thousands at a time at most."""
        return (pl.read_ipc(path).drop("place") for path in self._parts)

    def finish(self, complete: Callable[[pl.DataFrame], pl.DataFrame] | None = None) -> None:
        """Write the table.

        Args:
            complete: adds to each part what only the whole corpus could tell.

        Raises:
            IngestError: there was no batch.
        """
        if not self._parts:
            raise IngestError("the source has no records", hint="check `ingest.source` and `ingest.path`")
        if complete:
            for path, part in zip(self._parts, self.parts(), strict=True):
                with disk_errors(self._path):
                    _rewrite(path, complete(part))
        with atomic_path(self._path) as temporary:
            table = pl.scan_ipc(self._parts).drop("file", "place", strict=False)
            with disk_errors(self._path):
                table.sink_parquet(
                    temporary, compression="zstd", row_group_size=_ROW_GROUP, maintain_order=True
                )


def _rewrite(path: Path, part: pl.DataFrame) -> None:
    """Write a part anew; the file that it was read from may still be mapped into memory."""
    new = path.with_suffix(".new")
    part.write_ipc(new)
    new.replace(path)


def older_records(keys: pl.DataFrame) -> pl.DataFrame:
    """Return the records that are not the newest of their id, as refused."""
    order = keys.sort(version_date(), "place", nulls_last=False)
    newest = order.unique("nct_id", keep="last").select(
        "nct_id", kept_file="file", kept_date="last_updated", kept_place="place"
    )
    older = keys.join(newest, on="nct_id", maintain_order="left").filter(
        pl.col("place") != pl.col("kept_place")
    )
    return older.select(
        "file",
        record="nct_id",
        reason=pl.lit("duplicate_id"),
        detail=pl.format(
            "kept is the record of {} in {}",
            pl.col("kept_date").cast(pl.String).fill_null("no date"),
            "kept_file",
        ),
    )
