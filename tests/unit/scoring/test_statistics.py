"""Tests and intervals against reference implementations, and against what chance may do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics as sk

from trialforge.core.resampling import percentile_interval
from trialforge.core.rng import random_stream
from trialforge.scoring.bootstrap import draw_weights, p_value, resample, roc_auc
from trialforge.scoring.metrics import METRICS, choose_threshold, compute_metrics
from trialforge.scoring.paired_tests import delong, holm, mcnemar, roc_test

pytestmark = pytest.mark.slow

Floats = NDArray[np.float64]


def reference_delong(labels: NDArray[np.int64], first: Floats, second: Floats) -> tuple[float, float]:
    """DeLong's covariance by its definition: a kernel over all pairs, and sample covariances of its means."""
    ones, zeros = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    kernels = [
        np.array([[1.0 if s[i] > s[j] else 0.5 if s[i] == s[j] else 0.0 for j in zeros] for i in ones])
        for s in (first, second)
    ]
    over_ones = np.cov([kernel.mean(axis=1) for kernel in kernels])
    over_zeros = np.cov([kernel.mean(axis=0) for kernel in kernels])
    covariance = over_ones / ones.size + over_zeros / zeros.size
    difference = kernels[1].mean() - kernels[0].mean()
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return difference, 2 * stats.norm.sf(abs(difference) / np.sqrt(variance))


def two_arms(
    count: int, stream: np.random.Generator, seeds: int = 1, luck: float = 0.0
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Labels and scores of two arms that are equally good.

    They share most of what they say of a trial. Seeds add noise, and `luck`: how much better or worse a
    seed comes out on all trials.
    """
    labels = np.tile([0, 1], count // 2)
    shared = labels + stream.normal(size=count)
    first, second = (
        np.asarray(
            shared
            + luck * stream.normal(size=(seeds, 1)) * labels
            + 0.5 * stream.normal(size=(seeds, count)),
            dtype=np.float64,
        )
        for _ in range(2)
    )
    return labels, first, second


def test_delong_equals_its_definition() -> None:
    stream = np.random.default_rng(0)
    labels, first, second = two_arms(60, stream)
    second = np.round(second + 0.4 * labels, 1)  # with ties
    found = delong(labels, first[0], second[0])
    difference, p = reference_delong(labels, first[0], second[0])
    assert found.value == pytest.approx(difference, abs=1e-9)
    assert found.p() == pytest.approx(p, abs=1e-6)


def test_single_clusters_change_delong_only_by_its_degrees_of_freedom() -> None:
    labels, first, second = two_arms(200, np.random.default_rng(1))
    alone = delong(labels, first, second, np.arange(200).astype(str))
    assert alone.error == pytest.approx(delong(labels, first, second).error, rel=0.01)


def test_clusters_that_repeat_a_trial_do_not_add_certainty() -> None:
    labels, first, second = two_arms(100, np.random.default_rng(2))
    once = delong(labels, first, second, np.arange(100).astype(str))
    repeated = delong(
        np.tile(labels, 4), np.tile(first, 4), np.tile(second, 4), np.tile(np.arange(100), 4).astype(str)
    )
    assert repeated.error == pytest.approx(once.error, rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_equals_its_definition(p_values: list[float]) -> None:
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    expected, so_far = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        so_far = max(so_far, min(1.0, p_values[place] * (len(p_values) - rank)))
        expected[place] = so_far
    np.testing.assert_allclose(holm(np.array(p_values)), expected, atol=1e-12)


def test_mcnemar_is_the_exact_binomial_of_the_discordant() -> None:
    first = np.array([True] * 9 + [False] * 3 + [True] * 20)
    second = np.array([False] * 9 + [True] * 3 + [True] * 20)
    tail = sum(stats.binom.pmf(k, 12, 0.5) for k in range(4))
    assert mcnemar(first, second) == pytest.approx(2 * tail, abs=1e-12)
    assert mcnemar(first, first) == 1.0


def test_each_resampled_metric_equals_the_library_on_resampled_trials() -> None:
    stream = np.random.default_rng(6)
    labels = np.tile([0, 1], 40)
    scores = np.clip(np.round(0.3 * labels + 0.7 * stream.random(80), 2), 0, 1)  # with ties
    weights = np.vstack([np.ones(80), stream.integers(0, 4, size=80)]).astype(float)
    for draw in weights:
        rows = np.repeat(np.arange(80), draw.astype(int))
        expected = compute_metrics(labels[rows], scores[rows], 0.5)
        for name, metric in METRICS.items():
            found = metric.measure(labels, scores, 0.5, draw[None, :])[0]
            assert found == pytest.approx(expected[name], abs=1e-9), name


@pytest.mark.full
def test_the_bootstrap_interval_equals_a_plain_loop_within_monte_carlo_error() -> None:
    stream = np.random.default_rng(7)
    labels = np.tile([0, 1], 50)
    scores = labels + stream.normal(size=100)
    draws = draw_weights(np.arange(100).astype(str), 1, 4000, seed=1)
    found = percentile_interval(resample(roc_auc, labels, scores[None, :], np.zeros(1), draws), 0.95)
    plain: list[float] = []
    while len(plain) < 4000:
        rows = stream.integers(0, 100, size=100)
        plain.append(sk.roc_auc_score(labels[rows], scores[rows]))
    assert found == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.006)


def test_draws_take_whole_clusters_and_average_over_seeds() -> None:
    draws = draw_weights(np.array(["a", "a", "b", "c"]), 5, 200, seed=2)
    assert (draws.trials[:, 0] == draws.trials[:, 1]).all()
    assert set(draws.trials[:, [0, 2, 3]].sum(axis=1)) == {3.0}
    np.testing.assert_allclose(draws.seeds.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("stream", "seeds", "luck"), [(8, 1, 0.0), (8, 5, 0.1), (8, 5, 0.5), (411, 5, 0.1), (412, 5, 0.5)]
)
def test_of_a_thousand_null_comparisons_three_to_seven_percent_are_significant(
    stream: int, seeds: int, luck: float
) -> None:
    arms = (two_arms(200, random_stream(stream, "null", number), seeds, luck) for number in range(1000))
    found = [delong(*pair).p() < 0.05 for pair in arms]
    assert 0.03 <= np.mean(found) <= 0.07


def test_null_comparisons_of_clustered_trials_are_significant_as_often_as_declared() -> None:
    found = []
    for number in range(1000):
        stream = random_stream(9, "clusters", number)
        clusters = np.repeat(np.arange(60), 4)
        labels = np.tile([0, 1], 120)
        own = [np.repeat(stream.normal(size=60), 4) * (1 - 2 * labels) * 0.5 for _ in range(2)]
        arms = [labels + gap + stream.normal(size=240) for gap in own]
        found.append(delong(labels, arms[0], arms[1], clusters.astype(str)).p() < 0.05)
    assert 0.03 <= np.mean(found) <= 0.07


@pytest.mark.parametrize("metric", ["brier", "pr_auc", "balanced_accuracy"])
def test_of_a_thousand_null_bootstraps_three_to_seven_percent_are_significant(metric: str) -> None:
    draws = draw_weights(np.arange(200).astype(str), 1, 500, seed=3)
    measure = METRICS[metric].measure
    found = []
    for number in range(1000):
        labels, first, second = two_arms(200, random_stream(10, "null", number))
        gaps = [
            resample(measure, labels, 1 / (1 + np.exp(-arm)), np.full(1, 0.6), draws)
            for arm in (first, second)
        ]
        found.append(p_value(gaps[1] - gaps[0]) < 0.05)
    assert 0.03 <= np.mean(found) <= 0.07


def test_of_a_thousand_null_comparisons_by_mcnemar_seven_percent_at_most_are_significant() -> None:
    """An exact test of counts is conservative: it can't come out at five percent and must not lie above."""
    found = []
    for number in range(1000):
        labels, first, second = two_arms(200, random_stream(12, "null", number))
        right = [(arm[0] >= 0.5) == (labels == 1) for arm in (first, second)]
        found.append(mcnemar(*right) < 0.05)
    assert 0.01 <= np.mean(found) <= 0.07


def test_the_threshold_is_best_on_validation_and_lies_between_scores() -> None:
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9])
    assert choose_threshold(labels, scores, "balanced_accuracy") == pytest.approx(0.4)


def test_the_error_of_a_mean_over_seeds_grows_with_what_seeds_differ_by() -> None:
    labels, first, _ = two_arms(200, np.random.default_rng(11), seeds=5, luck=0.5)
    same = roc_test(labels, np.repeat(first[:1], 5, axis=0))
    assert same.freedom == pytest.approx(1e9)
    assert roc_test(labels, first).freedom < 1e9


def test_the_detectable_effect_of_the_published_test_set_is_eight_points() -> None:
    """250 trials, arms that differ on a fifth of them: 8 points of accuracy, as its readers computed."""
    from trialforge.scoring.paired_tests import AreaTest

    error = float(np.sqrt(0.2 / 250))
    assert AreaTest(0.0, error, 1e9).detectable(0.95, 0.8) == pytest.approx(0.079, abs=0.001)
