"""The short story of a whole record: a registry page, its verdict and what it was made of."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.unit import whole_records
from trialforge.app.show import format_story, summarise_story, tell_story
from trialforge.core.files import write_parquet


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    trials = whole_records.simulated_trials()
    for name, table in whole_records.make_run(trials.head(80), trials.slice(80)).items():
        write_parquet(table, folder / f"{name}.parquet")
    return folder


def tell(data: Path, place: int) -> tuple[dict[str, object], str]:
    row = pl.read_parquet(data / "generated.parquet").row(place, named=True)
    return row, summarise_story(tell_story(row["nct_id"], data))


def test_the_record_reads_as_a_registry_page(data: Path) -> None:
    row, told = tell(data, 0)
    lines = told.splitlines()
    assert lines[0].startswith(f"{row['nct_id']}  ")
    assert "Synthetic record, not a registered trial" in lines[:3]
    heads = (
        "Overview",
        "Design",
        "Interventions",
        "Primary outcomes",
        "Inclusion criteria",
        "Verdict",
        "Sources",
    )
    assert [line for line in lines if line in heads] == list(heads)
    assert f"  Phase          {row['phase']}" in lines
    assert max(map(len, lines)) <= 100


def test_the_verdict_is_told_in_words(data: Path) -> None:
    assert "Verdict\n  accepted\n" in tell(data, 0)[1]
    told = tell(data, 1)[1]
    train = pl.read_parquet(data / "train.parquet")["nct_id"][0]
    assert f"Verdict\n  rejected, near-copy of {train}\n" in told
    assert "    copied_title: its title is that of an exemplar, or a sentence of one\n" in told
    assert "    near_copy_of_train: it is a near-copy of a train trial\n" in told


def test_sources_and_exemplars_take_a_line_each(data: Path) -> None:
    row, told = tell(data, 0)
    plan = pl.read_parquet(data / "plan.parquet").row(0, named=True)
    for donor in plan["skeleton"]["donors"].values():
        assert f"  {donor}  " in told
    exemplars = told.partition("\nExemplars\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in exemplars] == row["exemplars"]
    assert plan["skeleton"]["donors"]["design"] in format_story(tell_story(str(row["nct_id"]), data))


def test_copies_of_the_exemplars_are_counted(data: Path) -> None:
    """The first inclusion item of each record is an exemplar's."""
    row, told = tell(data, 0)
    story = tell_story(str(row["nct_id"]), data)
    assert next(one for one in story["copies"] if one["field"] == "criteria")["shared"] >= 1
    assert "8-grams copied from its exemplars: " in told
    assert "criteria " in told.partition("from its exemplars: ")[2].splitlines()[0]
