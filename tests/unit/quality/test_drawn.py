"""A large corpus: real trials are drawn by lot, and what a record was shown is looked in all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.unit.quality.sections import VALIDATION
from tests.unit.reporting import sample
from trialforge.quality.case import Case
from trialforge.quality.leaks import held_out_ids
from trialforge.quality.measurement import RunTables, build_case, draw_run
from trialforge.quality.memorisation import shown_25
from trialforge.quality.params import QualityParams
from trialforge.quality.privacy import copy_share
from trialforge.quality.yardstick import match_held_out
from trialforge.reporting.sections import build_sections
from trialforge.trial.draft_fields import WRITTEN_FIELDS
from trialforge.trial.draft_form import as_drafts

SEED = 7
Draw = Callable[..., RunTables]


NAMES = ("train", "validation", "test", "held_back", "drafts")


@pytest.fixture(scope="module")
def run(parts: dict[str, pl.DataFrame]) -> RunTables:
    held_back = parts["validation"].tail(40)
    drafts = as_drafts(held_back, WRITTEN_FIELDS)
    return RunTables(parts["train"], parts["validation"], parts["test"], held_back, drafts)


@pytest.fixture(scope="module")
def files(run: RunTables, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tables in files of several row groups, as those of a large corpus are."""
    folder = tmp_path_factory.mktemp("run")
    found = {name: folder / f"{name}.parquet" for name in NAMES}
    for name, path in found.items():
        getattr(run, name).write_parquet(path, row_group_size=37)
    return found


@pytest.fixture(scope="module")
def draw(files: dict[str, Path]) -> Draw:
    return lambda most, seed=SEED: draw_run(files, most, seed)


def case_of(records: pl.DataFrame, draw: Draw, params: QualityParams, most: int) -> Case:
    return build_case(records, draw(most), params, VALIDATION, SEED)


def copies_of(run: RunTables, draw: Draw, *, drawn: bool) -> pl.DataFrame:
    """Return 20 copies of train trials that were drawn, or were not; each was shown its own original."""
    chosen = pl.col("nct_id").is_in(draw(60).train["nct_id"].implode())
    kept = run.train.filter(chosen if drawn else ~chosen).head(20)
    return kept.with_columns(exemplars=pl.concat_list("nct_id"), nct_id=pl.format("SYN-{}", "nct_id"))


@pytest.mark.parametrize("drawn", [True, False])
def test_copies_of_what_was_shown_are_found_drawn_or_not(
    run: RunTables, draw: Draw, params: QualityParams, drawn: bool
) -> None:
    case = case_of(copies_of(run, draw, drawn=drawn), draw, params, 60)
    assert (len(case.reference), len(case.pool)) == (60, 60 if drawn else 80)
    assert copy_share(case).value == 1
    assert shown_25(case).value == 1
    # Records and their yardstick meet the same trials, which nobody chose.
    matched = match_held_out(case)
    assert {*matched.train.frame["nct_id"]} <= {*case.reference.frame["nct_id"]}


def test_ids_of_held_out_trials_that_were_not_drawn_are_found(
    run: RunTables, draw: Draw, params: QualityParams
) -> None:
    drawn = draw(60)
    left = run.test.filter(~pl.col("nct_id").is_in(drawn.test["nct_id"].implode()))["nct_id"][0]
    records = copies_of(run, draw, drawn=True).with_columns(summary=pl.lit(f"as trial {left} was"))
    found = held_out_ids(case_of(records, draw, params, 60))
    assert (found.value, found.n) == (1, 160)


def test_a_draw_keeps_the_order_and_drafts_stay_beside_their_trials(run: RunTables, draw: Draw) -> None:
    drawn = draw(30)
    places = [run.train["nct_id"].to_list().index(one) for one in drawn.train["nct_id"]]
    assert len(places) == 30
    assert places == sorted(places)
    assert drawn.held_back["nct_id"].to_list() == drawn.drafts["nct_id"].to_list()
    assert draw(30).train.equals(drawn.train)
    assert not draw(30, SEED + 1).train.equals(drawn.train)


def test_a_corpus_that_is_small_enough_is_read_whole(
    draw: Draw, params: QualityParams, parts: dict[str, pl.DataFrame]
) -> None:
    case = case_of(parts["synthetic"], draw, params, 200)
    assert case.pool is case.reference
    assert case.drawn == {}
    assert case_of(parts["synthetic"], draw, params, 199).drawn == {"train": "199 of 200"}


def test_the_report_says_what_was_drawn() -> None:
    inputs = sample.make_inputs()
    told = {"drawn.train": "20000 of 330000", "drawn.held_back": "20000 of 36000"}
    found = build_sections(replace(inputs, metrics=inputs.metrics | {"quality": told}), {})
    (note,) = next(one for one in found if one.key == "fidelity").notes
    assert "random sample of the real trials: 20000 of 330000 of train, 20000 of 36000 of held-back." in note
