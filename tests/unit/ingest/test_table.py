"""The table of trials: the newest record of an id, the order of the source, the same bytes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.exceptions import ColumnNotFoundError

from trialforge.core.errors import IngestError
from trialforge.ingest.source import BATCH_SCHEMA, REFUSED_SCHEMA
from trialforge.ingest.table import Merged, TableWriter
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
        merged = table.merge()
        table.finish()
    assert merged.older.schema == pl.Schema(REFUSED_SCHEMA)
    written = pl.read_parquet(path)
    assert written.schema == pl.Schema(TRIAL_SCHEMA)
    days = [day and day.day for day in written["last_updated"]]
    return list(zip(written["nct_id"], days, strict=True)), merged.older.to_dicts()


def test_the_newest_record_of_an_id_is_kept(tmp_path: Path) -> None:
    trials, refused = write(
        tmp_path / "trials.parquet",
        batch("one", ("A", 1), ("B", 5), ("C", None)),
        batch("two", ("A", 2), ("B", 3)),
    )
    assert trials == [("C", None), ("A", 2), ("B", 5)]
    assert refused == [
        {"file": "one", "record": "A", "reason": "duplicate_id",
         "detail": "kept is the record of 2020-01-02 in two"},
        {"file": "two", "record": "B", "reason": "duplicate_id",
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
        pytest.raises(IngestError, match="has no records"),
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
        table.merge()
    assert list(path.parent.iterdir()) == []


def made(file: str, nct_id: str, day: int | None, **values: Any) -> pl.DataFrame:
    row = {"nct_id": nct_id, "source": "ctgov-json", "last_updated": day and date(2020, 1, day), "file": file}
    return pl.DataFrame([row | values], schema=BATCH_SCHEMA)


def merge(path: Path, *batches: pl.DataFrame) -> tuple[list[dict[str, Any]], Merged]:
    with TableWriter(path) as table:
        for one in batches:
            table.add(one)
        merged = table.merge()
        table.finish()
    return pl.read_parquet(path).to_dicts(), merged


def test_fields_that_the_newest_record_lacks_come_from_the_newest_that_has_them(tmp_path: Path) -> None:
    (trial,), merged = merge(
        tmp_path / "t",
        made("old", "A", 1, title="old", phase="Phase 1", sex="All", keywords=["a"], enrolment_planned=5),
        made("new", "A", 9, title="new", keywords=[], conditions=["c"]),
        made("mid", "A", 5, title="mid", phase="Phase 2", conditions=["d"]),
        made("undated", "A", None, allocation="Randomized"),
    )
    shown = ("title", "phase", "sex", "allocation", "keywords", "conditions")
    assert {name: trial[name] for name in shown} == {
        "title": "new", "phase": "Phase 2", "sex": "All", "allocation": "Randomized", "keywords": ["a"],
        "conditions": ["c"],
    }  # fmt: skip
    assert (trial["last_updated"], trial["enrolment_planned"]) == (date(2020, 1, 9), 5)
    assert (merged.trials, merged.older["file"].to_list()) == (1, ["old", "mid", "undated"])
    assert merged.filled == {"phase": 1, "sex": 1, "allocation": 1, "keywords": 1, "enrolment_planned": 1}


def test_a_reason_for_stopping_stays_with_its_status(tmp_path: Path) -> None:
    stopped = {"status": "Suspended", "why_stopped": "funding"}
    (trial,), _ = merge(tmp_path / "t", made("1", "A", 1, **stopped), made("2", "A", 2, status="Completed"))
    assert (trial["status"], trial["why_stopped"]) == ("Completed", None)
    (trial,), _ = merge(tmp_path / "t", made("1", "A", 1, **stopped), made("2", "A", 2))
    assert (trial["status"], trial["why_stopped"]) == ("Suspended", "funding")


def test_an_export_posted_some_days_later_is_the_same_version_and_says_less(tmp_path: Path) -> None:
    def export(day: int) -> pl.DataFrame:
        return made("export", "A", day, source="ctgov-csv", title="export")

    for day, title in ((6, "record"), (20, "export")):
        (trial,), _ = merge(tmp_path / "t", made("record", "A", 2, title="record"), export(day))
        assert trial["title"] == title


def test_more_trials_of_several_records_than_fit_one_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trialforge.ingest.table._BUCKET_TRIALS", 7)
    ids = [f"NCT{number:08d}" for number in range(100)]
    old = [made("old", nct_id, 1, sex="All") for nct_id in ids]
    new = [made("new", nct_id, 2, title=nct_id) for nct_id in reversed(ids[10:])]
    trials, merged = merge(tmp_path / "t", *old, *new)
    assert [trial["nct_id"] for trial in trials] == ids
    assert [trial["title"] for trial in trials] == [None] * 10 + ids[10:]
    assert {trial["sex"] for trial in trials} == {"All"}
    assert (merged.trials, merged.filled) == (90, {"sex": 90})


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "t") as table:
        table.add(batch("one", ("A", 1), ("B", 2)))
        reason = pl.when(pl.col("nct_id") == "A").then(pl.lit("no-a"))
        left = table.leave_out(reason, pl.lit("an A"))
        assert [part.height for part in table.parts()] == [1]
        table.finish()
    assert left.rows() == [("one", "A", "no-a", "an A")]
    assert pl.read_parquet(tmp_path / "t")["nct_id"].to_list() == ["B"]


records = st.tuples(st.sampled_from("ABCD"), st.none() | st.integers(1, 3))


@settings(max_examples=40, deadline=None)
@given(found=st.lists(records, min_size=1, max_size=14), size=st.integers(1, 5))
def test_each_id_stays_once_and_no_record_is_lost(
    found: list[Record], size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    batches = [batch(str(start), *found[start : start + size]) for start in range(0, len(found), size)]
    trials, older = write(tmp_path_factory.mktemp("table") / "t", *batches)
    assert sorted(nct_id for nct_id, _ in trials) == sorted({nct_id for nct_id, _ in found})
    assert len(trials) + len(older) == len(found)
    for nct_id, day in trials:
        assert (day or 0) == max(other or 0 for name, other in found if name == nct_id)
