"""Ngrams of words and what shares them, against the plain definition."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialforge.trial.near_duplicates import NearDuplicates, hash_ngrams, jaccard

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


def test_a_text_is_found_by_its_copy_and_by_nothing_else() -> None:
    known = NearDuplicates(0.8)
    first, none, stranger = hash_ngrams(pl.Series(["a b c d e f", None, "u v w x y z"], dtype=pl.String))
    known.add(3, first)
    known.add(4, none)
    assert known.find_and_add(5, stranger) == []
    assert known.find_and_add(6, first) == [(3, 1.0)]
    assert known.find_and_add(7, first) == [(3, 1.0), (6, 1.0)]
    assert known.find_and_add(8, none) == []


@pytest.mark.parametrize("permutations", [16, 128])
def test_at_a_threshold_of_1_only_equal_texts_are_near(permutations: int) -> None:
    known = NearDuplicates(1.0, permutations)
    one, other = hash_ngrams(pl.Series(["a b c d e f g h i j", "a b c d e f g h i k"]))
    known.add(0, one)
    assert known.find_and_add(1, other) == []
    assert known.find_and_add(2, one) == [(0, 1.0)]
