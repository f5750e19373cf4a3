"""Ngrams of words and what shares them, against the plain definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialforge.trial.near_duplicates import (
    hash_ngrams,
    jaccard,
    near_pairs,
    sketch_texts,
)

pytestmark = pytest.mark.slow

texts = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), max_size=12).map(" ".join)


def plain_runs(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[place : place + 5]) for place in range(max(len(words) - 4, 1))} if words else set()


@given(texts, texts)
@settings(deadline=None)
def test_the_share_is_that_of_sets_of_runs(one: str, other: str) -> None:
    left, right = plain_runs(one), plain_runs(other)
    expected = len(left & right) / max(len(left | right), 1)
    assert jaccard(*hash_ngrams(pl.Series([one, other]))) == pytest.approx(expected)


def near(some: list[str | None], threshold: float, permutations: int = 128, begin: int = 0) -> list[Any]:
    column = pl.Series(some, dtype=pl.String)
    sketches = sketch_texts([column] if some else [], threshold, permutations)
    return list(near_pairs(sketches, column.gather, threshold, begin))


def test_a_text_is_found_by_its_copy_and_by_nothing_else() -> None:
    first = "a b c d e f"
    found = near([first, None, "u v w x y z", first, first, None], 0.8)
    assert found == [(3, 0, 1.0), (4, 0, 1.0), (4, 3, 1.0)]
    assert near([None, "a"], 0.8) == []
    assert near([], 0.8) == []


def test_only_texts_from_a_place_on_are_asked_for() -> None:
    first = "a b c d e f"
    assert near([first, first, "other words", first], 0.8, begin=2) == [(3, 0, 1.0), (3, 1, 1.0)]


@pytest.mark.parametrize("permutations", [16, 128])
def test_at_a_threshold_of_1_only_equal_texts_are_near(permutations: int) -> None:
    one, other = "a b c d e f g h i j", "a b c d e f g h i k"
    assert near([one, other, one], 1.0, permutations) == [(2, 0, 1.0)]


def test_parts_that_are_sketched_alone_have_the_pairs_of_the_whole() -> None:
    stream = np.random.default_rng(3)
    words = [f"w{number}" for number in range(400)]
    base = [" ".join(stream.choice(words, 60)) for _ in range(30)]
    changed = [" ".join([*text.split()[:-2], "x", "y"]) for text in base]
    column = pl.Series([*base, *changed])
    sketches = sketch_texts((column[begin : begin + 7] for begin in range(0, len(column), 7)), 0.8)
    found = [(one, other) for one, other, _ in near_pairs(sketches, column.gather, 0.8)]
    # 52 of 60 n-grams or more are shared, so nearly all are proposed; what is refused is never told.
    shares = {
        (one, other): jaccard(*hash_ngrams(column.gather([one, other])))
        for one in range(len(column))
        for other in range(one)
    }
    assert set(found) <= {pair for pair, share in shares.items() if share >= 0.8}
    assert found == sorted(found)
    assert found == [(one, other) for one, other, _ in near(column.to_list(), 0.8)]
    assert len(found) >= 28
