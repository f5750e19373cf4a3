from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialforge.retrieval.lexical import build_impacts, count_terms, lucene_length, score_trials, term_rows
from trialforge.retrieval.params import Bm25Params


def test_length_below_40_is_exact_and_above_keeps_four_bits() -> None:
    lengths = np.array([0, 23, 24, 39, 40, 41, 42, 57, 1000])
    assert lucene_length(lengths).tolist() == [0, 23, 24, 39, 40, 40, 42, 56, 984]


@given(st.lists(st.integers(0, 2**30), min_size=1))
def test_stored_length_is_never_longer_and_loses_less_than_an_eighth(lengths: list[int]) -> None:
    given_lengths = np.array(lengths)
    stored = lucene_length(given_lengths)
    assert (stored <= given_lengths).all()
    assert (given_lengths - stored <= given_lengths / 8).all()


def test_score_of_one_word_is_bm25_worked_by_hand() -> None:
    texts = pl.DataFrame({"title": ["aspirin aspirin stroke", "aspirin", "pain"]})
    impacts = build_impacts(texts, {"title": 3.0}, Bm25Params(k1=1.2, b=0.75))
    row = list(impacts.terms).index("aspirin")
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    norm = 1.2 * (1 - 0.75 + 0.75 * 3 / (5 / 3))
    scores = score_trials(impacts, np.array([row]))
    assert scores[0] == pytest.approx(3 * 2.2 * idf * 2 / (2 + norm), rel=1e-6)
    assert scores[2] == 0


def test_word_asked_twice_counts_twice() -> None:
    impacts = build_impacts(pl.DataFrame({"title": ["a1 b1", "b1"]}), {"title": 1.0}, Bm25Params())
    np.testing.assert_allclose(
        score_trials(impacts, np.array([1, 1])), 2 * score_trials(impacts, np.array([1]))
    )


def test_terms_that_the_index_lacks_have_no_row() -> None:
    impacts = build_impacts(pl.DataFrame({"title": ["b1 d1", "d1 f1"]}), {"title": 1.0}, Bm25Params())
    assert term_rows(impacts, ["f1", "zz", "a0", "d1", "c1", "d1"]).tolist() == [1, 1, 2]
    assert term_rows(impacts, []).tolist() == []
    assert score_trials(impacts, term_rows(impacts, ["zz"])).tolist() == [0, 0]


def test_field_that_no_trial_has_adds_nothing() -> None:
    texts = pl.DataFrame({"title": ["aspirin"], "summary": [None]}, schema_overrides={"summary": pl.String})
    impacts = build_impacts(texts, {"title": 1.0, "summary": 1.0}, Bm25Params())
    assert impacts.terms == ["aspirin"]


def test_counts_do_not_depend_on_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pl.Series(["a1 a1 b1", None, "b1 c1", "c1"], dtype=pl.String)
    whole = named_counts(texts)
    assert whole == {(0, "a1"): 2, (0, "b1"): 1, (2, "b1"): 1, (2, "c1"): 1, (3, "c1"): 1}
    monkeypatch.setattr("trialforge.retrieval.lexical.SLICE", 1)
    assert named_counts(texts) == whole


def named_counts(texts: pl.Series) -> dict[tuple[int, str], int]:
    numbers: dict[str, int] = {}
    counts = count_terms(texts, numbers)
    terms = {number: term for term, number in numbers.items()}
    return {(trial, terms[number]): count for trial, number, count in counts.iter_rows()}
