"""The table of trials: the newest record of an id, the order of the source, the same bytes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.exceptions import ColumnNotFoundError

from trialforge.core.errors import IngestError
from trialforge.ingest.source import BATCH_SCHEMA, REFUSED_SCHEMA
from trialforge.ingest.table import TableWriter, older_records
from trialforge.trial.record import TRIAL_SCHEMA

Record = tuple[str, int | None]


def batch(file: str, *records: Record) -> pl.DataFrame:
    rows = [
        {"nct_id": nct_id, "source": "simulated", "last_updated": day and date(2020, 1, day), "file": file}
        for nct_id, day in records
    ]
    return pl.DataFrame(rows, schema=BATCH_SCHEMA)


def write(path: Path, *batches: pl.DataFrame) -> tuple[list[Record], list[dict[str, str]]]:
    with TableWriter(path) as table:
        for one in batches:
            table.add(one)
        refused = table.finish()
    assert refused.schema == pl.Schema(REFUSED_SCHEMA)
    written = pl.read_parquet(path)
    assert written.schema == pl.Schema(TRIAL_SCHEMA)
    days = [day and day.day for day in written["last_updated"]]
    return list(zip(written["nct_id"], days, strict=True)), refused.to_dicts()


def test_the_newest_record_of_an_id_is_kept(tmp_path: Path) -> None:
    trials, refused = write(
        tmp_path / "trials.parquet",
        batch("one", ("A", 1), ("B", 5), ("C", None)),
        batch("two", ("A", 2), ("B", 3)),
    )
    assert trials == [("B", 5), ("C", None), ("A", 2)]
    assert refused == [
        {"file": "one", "record": "A", "reason": "duplicate-id",
         "detail": "kept is the record of 2020-01-02 in two"},
        {"file": "two", "record": "B", "reason": "duplicate-id",
         "detail": "kept is the record of 2020-01-05 in one"},
    ]  # fmt: skip


def test_of_records_of_one_day_the_last_read_is_kept(tmp_path: Path) -> None:
    _, refused = write(
        tmp_path / "trials.parquet", batch("one", ("A", 1), ("A", 1)), batch("two", ("A", None))
    )
    assert [row["file"] for row in refused] == ["one", "two"]


def test_no_trial_at_all_is_an_empty_table(tmp_path: Path) -> None:
    assert write(tmp_path / "trials.parquet", batch("one")) == ([], [])


def test_a_source_without_any_batch_is_an_error(tmp_path: Path) -> None:
    with (
        TableWriter(tmp_path / "trials.parquet") as table,
        pytest.raises(IngestError, match="no record at all"),
    ):
        table.finish()


def test_the_same_batches_give_the_same_bytes(tmp_path: Path) -> None:
    batches = [
        batch(str(part), *((f"T{part}-{row}", row % 28 + 1) for row in range(50))) for part in range(4)
    ]
    for name in ("a", "b"):
        write(tmp_path / name, *batches)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_fault_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "data" / "trials.parquet"
    with pytest.raises(ColumnNotFoundError), TableWriter(path) as table:  # noqa: PT012
        table.add(batch("one", ("A", 1)))
        table.add(pl.DataFrame({"other": [1]}))
    assert list(path.parent.iterdir()) == []


records = st.tuples(st.sampled_from("ABCD"), st.none() | st.integers(1, 3))


@settings(max_examples=60)
@given(st.lists(records, min_size=1, max_size=14))
def test_each_id_stays_once_and_no_record_is_lost(found: list[Record]) -> None:
    keys = batch("one", *found).select("nct_id", "last_updated", "file").with_row_index("row")
    older = older_records(keys.with_columns(part=pl.lit(0, dtype=pl.Int64)))
    left_out = set(older["row"])
    kept = [record for row, record in enumerate(found) if row not in left_out]
    assert sorted(nct_id for nct_id, _ in kept) == sorted({nct_id for nct_id, _ in found})
    for nct_id, day in kept:
        assert (day or 0) == max(other or 0 for name, other in found if name == nct_id)
