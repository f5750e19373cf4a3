from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trialforge.core.errors import ArtifactError, ParameterError
from trialforge.simulation.corpus import simulate
from trialforge.split.groups import group_trials, near_duplicate_pairs
from trialforge.split.params import SplitParams
from trialforge.split.split import (
    HELD_BACK,
    PARTS,
    check_split,
    choose_cut,
    date_trials,
    hold_back,
    settle_groups,
    split_trials,
    view_part,
)
from trialforge.trial.record import Trial, trials_to_frame

pytestmark = pytest.mark.slow

STRATEGIES = get_args(SplitParams.model_fields["strategy"].annotation)
WORDS = [chr(97 + number) * 4 for number in range(26)]


def params(strategy: str, test_size: float = 0.3, validation_size: float = 0.2) -> SplitParams:
    return SplitParams.model_validate(
        {
            "strategy": strategy,
            "test_size": test_size,
            "validation_size": validation_size,
            "near_duplicate": 0.8,
        }
    )


def corpus(rows: list[tuple[str, date | None, date | None, list[str], str | None, str]]) -> pl.DataFrame:
    """Trials of (id, start, end, interventions, official part, summary)."""
    trials = trials_to_frame(
        [
            Trial(nct_id=name, source="ctgov-xml", start_date=start, completion_date=end, summary=summary)
            for name, start, end, _, _, summary in rows
        ]
    )
    return trials.with_columns(
        pl.Series("normalized_interventions", [row[3] for row in rows], dtype=pl.List(pl.String)),
        pl.Series("official_part", [row[4] for row in rows], dtype=pl.String),
    )


def parts_of(trials: pl.DataFrame, strategy: str, seed: int = 1, **sizes: float) -> dict[str, str]:
    chosen = params(strategy, **sizes)
    pairs = near_duplicate_pairs(trials, chosen.near_duplicate)
    split = split_trials(trials, group_trials(trials["nct_id"], pairs), chosen, seed)
    check_split(trials, split, pairs, strategy)
    return dict(split.select("nct_id", "part").iter_rows())


def yearly(count: int) -> list[tuple[str, date | None, date | None, list[str], str | None, str]]:
    """Trial number n starts in year 2000 + n and lasts half a year."""
    return [
        (
            f"T{n:02d}",
            date(2000 + n, 1, 1),
            date(2000 + n, 7, 1),
            [f"drug {n}"],
            None,
            f"summary {WORDS[n]} {n}",
        )
        for n in range(count)
    ]


def test_temporal_by_hand() -> None:
    rows = yearly(10)
    rows[6] = ("T06", date(2006, 1, 1), date(2008, 1, 1), [], None, "straddles")
    rows[2] = ("T02", date(2002, 1, 1), None, [], None, "never ends")
    parts = parts_of(corpus(rows), "temporal", test_size=0.34)
    # Test is from 2007 on (3 of 9 that are kept); T06 and T02 can't be shown to have ended before.
    assert [name for name, part in parts.items() if part == "test"] == ["T07", "T08", "T09"]
    assert [name for name, part in parts.items() if part == "dropped"] == ["T02", "T06"]
    assert [name for name, part in parts.items() if part == "validation"] == ["T05"]


def test_the_cut_comes_nearest_to_the_asked_share() -> None:
    dates = pl.DataFrame({"start": [date(2000 + n, 1, 1) for n in range(10)]})
    dates = dates.with_columns(end=pl.col("start").dt.offset_by("6mo"))
    assert choose_cut(dates, 0.3) == date(2007, 1, 1)
    assert choose_cut(dates, 0.5) == date(2005, 1, 1)


def test_temporal_from_a_date_by_hand() -> None:
    """Whoever names the date gets it, whatever share of the trials that leaves for the test."""
    rows = yearly(10)
    rows[3] = ("T03", date(2003, 1, 1), date(2005, 1, 1), [], None, "straddles")
    chosen = SplitParams.model_validate({**params("temporal").model_dump(), "test_from": "2004-01-01"})
    trials = corpus(rows)
    split = split_trials(trials, group_trials(trials["nct_id"], []), chosen, seed=1)
    check_split(trials, split, [], "temporal")
    parts = dict(split.select("nct_id", "part").iter_rows())
    assert [name for name, part in parts.items() if part == "test"] == [f"T0{n}" for n in range(4, 10)]
    assert [name for name, part in parts.items() if part == "dropped"] == ["T03"]
    late = SplitParams.model_validate({**chosen.model_dump(), "test_from": date(2030, 1, 1)})
    with pytest.raises(ParameterError, match=r"leaves no trials for test; .*\n.*split\.test_from"):
        split_trials(trials, group_trials(trials["nct_id"], []), late, seed=1)


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "temporal"])
def test_a_date_that_no_strategy_would_read_is_an_error(strategy: str) -> None:
    with pytest.raises(ValidationError, match="`test_from` splits by date and needs `strategy: temporal`"):
        SplitParams.model_validate({**params(strategy).model_dump(), "test_from": "2004-01-01"})


def test_a_finished_trial_without_an_end_ended_before_its_last_update() -> None:
    trials = trials_to_frame(
        [
            Trial(nct_id="A", source="top", status="Withdrawn", last_updated=date(2003, 1, 1)),
            Trial(nct_id="B", source="top", status="Recruiting", last_updated=date(2003, 1, 1)),
        ]
    )
    assert date_trials(trials)["end"].to_list() == [date(2003, 1, 1), None]


def test_official_takes_the_validation_table_as_test_where_no_test_table_is() -> None:
    official = pl.Series(["train"] * 8 + ["validation"] * 3 + [None], dtype=pl.String)
    parts = parts_of(corpus(yearly(12)).with_columns(official_part=official), "official")
    assert [name for name, part in parts.items() if part == "test"] == ["T08", "T09", "T10"]
    assert parts["T11"] == "dropped"
    assert sum(part == "validation" for part in parts.values()) in (1, 2)


def test_official_without_tables_is_an_error_that_says_what_to_name() -> None:
    with pytest.raises(ParameterError, match=r"ingest\.top_path"):
        parts_of(corpus(yearly(5)), "official")


def test_an_intervention_is_in_one_part_and_placebo_ties_nothing() -> None:
    rows = [
        (
            f"T{n:02d}",
            date(2000, 1, 1),
            date(2001, 1, 1),
            [f"drug {n % 6}", "placebo"],
            None,
            f"text {n} {WORDS[n]}",
        )
        for n in range(18)
    ]
    rows.append(
        ("T99", date(2000, 1, 1), date(2001, 1, 1), [f"drug {n}" for n in range(6)], None, "all of them")
    )
    parts = parts_of(corpus(rows), "intervention")
    for drug in range(6):
        assert len({parts[f"T{n:02d}"] for n in range(18) if n % 6 == drug}) == 1
    assert parts["T99"] == "dropped"
    assert set(parts.values()) == {*PARTS, "dropped"}


def test_near_duplicates_stay_together_by_lot() -> None:
    rows = yearly(18)
    twins = [(f"X{n}", row[1], row[2], row[3], None, row[5]) for n, row in enumerate(rows)]
    parts = parts_of(corpus(rows + twins), "random", test_size=0.4, validation_size=0.3)
    assert all(parts[f"T{n:02d}"] == parts[f"X{n}"] for n in range(18))
    assert set(parts.values()) == set(PARTS)


def test_a_group_across_parts_keeps_what_is_held_out_most() -> None:
    parted = pl.DataFrame(
        {
            "nct_id": ["A", "B", "C", "D"],
            "part": ["train", "validation", "train", "dropped"],
            "group": ["A", "A", "C", "C"],
            "reason": [None, None, None, "old"],
        }
    )
    settled = settle_groups(parted)
    assert settled["part"].to_list() == ["dropped", "validation", "train", "dropped"]
    assert settled["reason"].to_list() == ["near-duplicate of a held-out trial", None, None, "old"]


def test_sizes_that_leave_a_part_empty_are_an_error() -> None:
    with pytest.raises(ParameterError, match="leaves no trials for"):
        parts_of(corpus(yearly(3)), "random", test_size=0.01, validation_size=0.01)


@pytest.mark.parametrize(
    ("part", "group", "message"),
    [
        (["train", "test"], ["A", "A"], "group A"),
        (["train", "test"], ["A", "B"], "near-duplicate A and B"),
    ],
)
def test_the_check_fails_on_what_crosses(part: list[str], group: list[str], message: str) -> None:
    trials = corpus([("A", None, None, [], None, "x"), ("B", None, None, [], None, "x")])
    split = pl.DataFrame({"nct_id": ["A", "B"], "part": part, "group": group, "reason": [None, None]})
    with pytest.raises(ArtifactError, match=message):
        check_split(trials, split, [("A", "B")], "random")


def test_the_check_fails_on_a_repeated_or_a_missing_trial() -> None:
    trials = corpus([("A", None, None, [], None, "x"), ("B", None, None, [], None, "y")])
    twice = pl.DataFrame(
        {"nct_id": ["A", "A"], "part": ["train", "test"], "group": ["A", "A"], "reason": [None, None]}
    )
    with pytest.raises(ArtifactError, match="trial A"):
        check_split(trials, twice, [], "random")
    with pytest.raises(ArtifactError, match="the split misses trial B"):
        check_split(trials, twice.head(1), [], "random")


@st.composite
def corpora(draw: st.DrawFn) -> pl.DataFrame:
    count = draw(st.integers(6, 24))
    days = st.one_of(st.none(), st.integers(0, 4000))
    rows = []
    for number in range(count):
        start, length = draw(days), draw(days)
        begin = None if start is None else date(2000, 1, 1) + timedelta(days=start)
        end = None if length is None else (begin or date(2000, 1, 1)) + timedelta(days=length)
        drugs = draw(st.lists(st.sampled_from(["a", "b", "c", "d", "e", "placebo"]), max_size=3))
        official = draw(st.sampled_from(["train", "validation", "test", None]))
        text = draw(
            st.sampled_from(["same words in each of these", "quite another text it is", f"only {number}"])
        )
        rows.append((f"T{number:02d}", begin, end, drugs, official, text))
    return corpus(rows)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(corpora(), st.sampled_from(STRATEGIES), st.integers(0, 5))
def test_nothing_crosses_in_any_corpus(trials: pl.DataFrame, strategy: str, seed: int) -> None:
    try:
        first = parts_of(trials, strategy, seed)  # check_split raises where something crosses
    except ParameterError:
        return
    assert list(first) == trials["nct_id"].to_list()
    assert set(first.values()) <= {*PARTS, "dropped"}
    assert parts_of(trials, strategy, seed) == first


def test_a_share_of_the_labelled_train_trials_is_held_back_with_their_near_duplicates() -> None:
    names = [f"T{number:03d}" for number in range(200)]
    part = ["train"] * 150 + ["validation"] * 20 + ["test"] * 30
    split = pl.DataFrame(
        {
            "nct_id": names,
            "part": part,
            "group": [f"G{number // 2}" for number in range(200)],
            "reason": None,
        },
        schema_overrides={"reason": pl.String},
    )
    trials = pl.DataFrame(
        {"nct_id": names, "label": [None if number < 30 else number % 2 for number in range(200)]}
    )
    held = hold_back(split, trials, 0.2, seed=1)
    mine = held.filter(part=HELD_BACK).join(trials, on="nct_id")
    assert 22 <= mine.height <= 24  # a fifth of 120
    assert mine["label"].null_count() == 0
    assert held.group_by("group").agg(pl.col("part").n_unique())["part"].max() == 1
    kept = pl.col("part") != HELD_BACK
    assert held.filter(kept).equals(split.filter(~pl.col("nct_id").is_in(mine["nct_id"].to_list())))
    assert hold_back(split, trials, 0.2, seed=1).equals(held)
    assert not hold_back(split, trials, 0.2, seed=2).equals(held)


def test_a_view_is_the_same_however_many_trials_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = simulate(600, 5)
    parts = pl.Series(["train", "test", "train", "dropped"] * 150)
    split = trials.select("nct_id", part=parts)
    at_once, cuts = view_part(trials, split, "train", ["summary"])
    assert at_once["nct_id"].to_list() == trials.filter(parts == "train")["nct_id"].to_list()
    assert at_once["summary"].null_count() == len(at_once) == 300
    monkeypatch.setattr("trialforge.split.split.SLICE", 70)
    in_slices, cuts_of_slices = view_part(trials, split, "train", ["summary"])
    assert in_slices.equals(at_once)
    assert cuts_of_slices == cuts
    assert sum(cuts["outcome_sentences_cut"].values()) > 0
    nothing, none = view_part(trials, split, "validation", [])
    assert nothing.columns == at_once.columns
    assert {name: [*by_rule] for name, by_rule in none.items()} == {
        name: [*by_rule] for name, by_rule in cuts.items()
    }
