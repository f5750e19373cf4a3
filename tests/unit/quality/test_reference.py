"""Measures of text equal their reference packages, or the plain definition where there is none, to 1e-6."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from vendi_score import vendi

from trialforge.quality.diversity import distinct_share, mean_pairwise_distance, self_bleu_scores, vendi_score
from trialforge.trial.overlap import match_ngrams
from trialforge.trial.words import number_words

words = st.sampled_from(["drug", "dose", "arm", "day", "risk"])
texts = st.lists(st.lists(words, max_size=14).map(" ".join), min_size=2, max_size=6)
long_texts = st.lists(st.lists(st.sampled_from("ab"), max_size=40).map(" ".join), min_size=1, max_size=4)


@given(texts)
@settings(deadline=None)
def test_self_bleu_equals_nltk(sample: list[str]) -> None:
    found = self_bleu_scores(number_words(pl.Series(sample))[0])
    tokens = [text.split() for text in sample]
    smoothing = SmoothingFunction().method1
    for place, text in enumerate(tokens):
        others = [other for number, other in enumerate(tokens) if number != place]
        expected = sentence_bleu(others, text, smoothing_function=smoothing) if text else 0.0
        assert found[place] == pytest.approx(expected, abs=1e-6)


@pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")
@pytest.mark.parametrize(("count", "dimension"), [(5, 20), (40, 8), (12, 12)])
def test_vendi_equals_its_reference_package(count: int, dimension: int) -> None:
    rows = np.random.default_rng(count).normal(size=(count, dimension))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert vendi_score(rows) == pytest.approx(vendi.score_K(rows @ rows.T), abs=1e-6)
    assert mean_pairwise_distance(rows) == pytest.approx(
        np.mean([1 - rows[i] @ rows[j] for i in range(count) for j in range(count) if i != j]), abs=1e-6
    )


def runs(text: str, length: int) -> list[tuple[str, ...]]:
    split = text.split()
    return [tuple(split[place : place + length]) for place in range(len(split) - length + 1)]


@given(texts, st.integers(1, 4))
@settings(deadline=None)
def test_distinct_n_is_the_share_of_different_runs(sample: list[str], length: int) -> None:
    every = [run for text in sample for run in runs(text, length)]
    expected = len(set(every)) / max(len(every), 1)
    assert distinct_share(number_words(pl.Series(sample))[0], length) == pytest.approx(expected, abs=1e-6)


@given(long_texts, long_texts, st.sampled_from([1, 8, 13, 25]))
@settings(deadline=None)
def test_overlap_is_that_of_sets_of_runs(queries: list[str], references: list[str], length: int) -> None:
    found = match_ngrams(*number_words(pl.Series(queries), pl.Series(references)))
    known = {run for text in references for run in runs(text, length)}
    for place, text in enumerate(queries):
        mine = runs(text, length)
        shared = [run in known for run in mine]
        assert found.has_ngram(length)[place] == any(shared)
        assert found.covered(length)[place] == pytest.approx(np.mean(shared) if shared else 0, abs=1e-6)
        longest = max((n for n in range(1, 41) if set(runs(text, n)) & {
            run for other in references for run in runs(other, n)}), default=0)  # fmt: skip
        assert found.longest[place] == longest


@given(long_texts, st.data())
@settings(deadline=None)
def test_a_query_meets_the_references_of_its_own_group_alone(queries: list[str], data: st.DataObject) -> None:
    groups = data.draw(st.lists(st.integers(0, len(queries) - 1), min_size=1, max_size=4))
    references = data.draw(st.lists(st.sampled_from(queries), min_size=len(groups), max_size=len(groups)))
    one, other = number_words(pl.Series(queries), pl.Series(references))
    found = match_ngrams(one, other, (np.arange(len(queries)), np.array(groups)))
    for place, text in enumerate(queries):
        mine = [reference for group, reference in zip(groups, references, strict=True) if group == place]
        known = {run for reference in mine for run in runs(reference, 8)}
        assert found.has_ngram(8)[place] == bool(known & set(runs(text, 8)))
