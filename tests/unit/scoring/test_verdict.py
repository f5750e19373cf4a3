"""What verdicts claim, simulated: how often nothing is called something, and something is found.

Each comparison goes the product's own way, from scores on trials to a verdict. Test trials come in clusters
as uneven as those of the simulated corpus; arms share most of what they say of a trial.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist

import numpy as np
import pytest

from trialforge.core.rng import random_stream
from trialforge.learning.params import Comparison, StatisticsParams
from trialforge.scoring.bootstrap import draw_weights
from trialforge.scoring.comparisons import (
    ComparisonResult,
    answer_each,
    answer_family,
    as_row,
    describe,
)
from trialforge.scoring.paired_tests import roc_test
from trialforge.scoring.scores import ArmScores, Resamples

pytestmark = pytest.mark.slow
MODEL = "tfidf-logreg"
PARAMS = StatisticsParams(primary=Comparison(arm="augmented"), draws=100)
SIZES = [14, 12, 12, 9, 9, 8, 8, 7, 6, *[5] * 6, *[4] * 8, *[3] * 6, *[2] * 11, *[1] * 4]
ZIPF = [max(1, round(44 / rank)) for rank in range(1, 45)]


@dataclass(frozen=True)
class Setting:
    """How scores come about; each number is the standard deviation of a normal share in them."""

    sizes: tuple[int, ...] = tuple(SIZES)
    own: float = 0.3  # of an arm and trial
    cluster: float = 0.3  # of an arm and cluster: all its trials look more, or less, like their label
    fits: int = 1
    luck: float = 0.0  # of a fit: how much better it comes out on all trials
    noise: float = 0.0  # of a fit and trial
    generations: int = 1
    made: float = 0.0  # of a generation: how much better it comes out on all trials

    @property
    def spread(self) -> float:
        """Of the difference between the scores of a success and of a failure."""
        parts = (1, self.own, self.cluster, self.noise, self.luck / 2**0.5, self.made / 2**0.5)
        return float(np.sqrt(2 * np.square(parts).sum()))

    def shift(self, gap: float) -> float:
        """How much more successes must score for `gap` more ROC-AUC than real trials give."""
        real = NormalDist().cdf(1 / self.spread)
        return NormalDist().inv_cdf(real + gap) * self.spread - 1


@cache
def resample(sizes: tuple[int, ...], fits: int) -> Resamples:
    """The resamples of test parts with clusters of these sizes: every one of them has the same."""
    return Resamples(draw_weights(np.repeat(np.arange(len(sizes)), sizes).astype(str), fits, 100, 1))


def simulate(setting: Setting, stream: np.random.Generator, gap: float = 0.0) -> ComparisonResult:
    """The answer of one test part, on which `augmented` has in truth `gap` more ROC-AUC than `real`."""
    clusters = np.repeat(np.arange(len(setting.sizes)), setting.sizes)
    labels = (stream.random(clusters.size) < 0.5).astype(np.int64)
    shared = labels + stream.normal(size=clusters.size)
    generations = np.arange(setting.fits) % setting.generations
    scores = {}
    for arm, shift in (("real", 0.0), ("augmented", setting.shift(gap))):
        told = setting.own * stream.normal(size=clusters.size) + shift * labels
        told += setting.cluster * stream.normal(size=len(setting.sizes))[clusters] * (1 - 2 * labels)
        fits = setting.noise * stream.normal(size=(setting.fits, clusters.size))
        fits += setting.luck * stream.normal(size=(setting.fits, 1)) * labels
        fits += setting.made * stream.normal(size=(setting.generations, 1))[generations] * labels
        odds = shared + told + fits
        chosen = generations if arm == "augmented" else None
        scores[MODEL, arm] = ArmScores(
            MODEL, arm, "simulated", labels, odds, odds, np.zeros(setting.fits), chosen
        )
    resamples = resample(setting.sizes, setting.fits)
    (answer,) = answer_each([PARAMS.primary], scores, resamples, clusters.astype(str), PARAMS)
    return answer


def verdicts(name: str, setting: Setting, times: int, gap: float = 0.0) -> dict[str, float]:
    """How often each verdict is given."""
    streams = (random_stream(7, name, number) for number in range(times))
    counted = Counter(simulate(setting, stream, gap).verdict for stream in streams)
    return {verdict: count / times for verdict, count in counted.items()}


SETTINGS = {
    "one fit": Setting(),
    "one fit, trials apart": Setting(sizes=(1,) * 160),
    "one large cluster": Setting(sizes=tuple(ZIPF), cluster=0.5),
    "few clusters": Setting(sizes=(14,) * 12),
    "six fits": Setting(fits=6, luck=0.1, noise=0.3),
    "two generations": Setting(fits=2, generations=2, made=0.1, noise=0.3),
    "two generations of three fits": Setting(fits=6, generations=2, made=0.1, luck=0.1, noise=0.3),
}


# The simplest, the least even, and the one that has every source of chance.
FEW = {"one fit", "one large cluster", "two generations of three fits"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FEW else pytest.mark.full) for name in SETTINGS]
)
def test_of_a_thousand_null_comparisons_three_to_seven_percent_are_called_a_difference(name: str) -> None:
    found = verdicts(name, SETTINGS[name], 1000)
    assert 0.03 <= found.get("better", 0) + found.get("worse", 0) <= 0.07


@pytest.mark.parametrize("name", ["one fit, trials apart", pytest.param("six fits", marks=pytest.mark.full)])
def test_the_stated_minimum_detectable_effect_is_found_with_the_stated_power(name: str) -> None:
    setting = SETTINGS[name]
    stated = [simulate(setting, random_stream(8, name, number)).detectable for number in range(200)]
    found = verdicts(name, setting, 1000, float(np.mean(stated)))
    assert 0.75 <= found["better"] <= 0.85
    assert found.get("worse", 0) == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_at_the_margin_equivalence_is_claimed_in_five_percent_at_most(sign: int) -> None:
    setting = Setting(own=0.06, cluster=0.06)
    found = verdicts(f"margin {sign}", setting, 1000, sign * PARAMS.margin)
    assert 0 < found["equivalent"] <= 0.05


def test_arms_that_surely_differ_by_less_than_the_margin_are_equivalent() -> None:
    found = verdicts("equal", Setting(own=0.04, cluster=0.04), 200)
    assert found["equivalent"] > 0.8
    assert verdicts("equal", Setting(), 200).get("equivalent", 0) < 0.5


def test_the_interval_of_the_verdict_is_that_of_its_test() -> None:
    for number in range(100):
        answer = simulate(Setting(), random_stream(9, "interval", number), 0.03)
        assert (answer.p < 0.05) == (answer.low > 0 or answer.high < 0)
        assert (answer.verdict in ("better", "worse")) == (answer.p < 0.05)


def test_one_cluster_or_one_that_has_all_of_a_label_allows_no_claim() -> None:
    labels = np.tile([0, 1], 30)
    scores = {
        (MODEL, arm): ArmScores(
            MODEL,
            arm,
            "one",
            labels,
            odds := (labels * gain + np.linspace(0, 1, 60))[None],
            odds,
            np.zeros(1),
        )
        for arm, gain in (("real", 0.0), ("augmented", 2.0))
    }
    for clusters in (np.full(60, "a"), np.where(labels == 1, "a", np.arange(60).astype(str))):
        resamples = Resamples(draw_weights(clusters, 1, 100, 1))
        (answer,) = answer_each([PARAMS.primary], scores, resamples, clusters, PARAMS)
        assert answer.verdict == "not shown"
        assert (answer.low, answer.high) == (-1, 1)
        assert "can find no difference" in answer.words
        json.dumps(as_row(answer), allow_nan=False)


def test_a_perfect_ranking_of_a_few_trials_is_luck_and_of_many_is_not() -> None:
    """Without a placement that differs from another, DeLong's error is 0."""
    for count, verdict in ((2, "not shown"), (20, "better")):
        labels = np.tile([0, 1], count)
        odds = {"real": np.zeros((1, 2 * count)), "augmented": labels[None].astype(float)}
        scores = {
            (MODEL, arm): ArmScores(MODEL, arm, "one", labels, rows, rows, np.zeros(1))
            for arm, rows in odds.items()
        }
        names = np.arange(2 * count).astype(str)
        resamples = Resamples(draw_weights(names, 1, 100, 1))
        (answer,) = answer_each([PARAMS.primary], scores, resamples, names, PARAMS)
        assert (answer.effect, answer.verdict) == (0.5, verdict)
        assert answer.low < 0.5 <= answer.high
        assert roc_test(labels, odds["augmented"], names).interval(0.95)[0] < 1
        assert roc_test(labels, odds["real"], names).interval(0.95) == (0.5, 0.5)


def test_what_generations_differ_by_is_in_the_interval_and_shown() -> None:
    one, two = (
        simulate(Setting(fits=6, generations=count, made=0.5), random_stream(10, "made")) for count in (1, 2)
    )
    assert one.error_generations is None
    assert "One generation of synthetic trials: the interval does not cover another one." in one.words
    assert two.error_generations is not None
    assert two.error_trials is not None
    assert two.error_generations > two.error_trials
    assert two.high - two.low > 2 * 1.96 * two.error_trials
    assert "One generation" not in two.words


def test_equal_seeds_are_one_fit_and_said_to_be() -> None:
    setting = Setting(fits=5)
    answer = simulate(setting, random_stream(11, "fits"))
    assert answer.fits == 1
    assert answer.error_fits is None
    assert "One fit each: the interval does not cover another draw of real training trials." in answer.words
    few = simulate(Setting(fits=3, noise=0.3), random_stream(11, "fits"))
    assert (few.fits, "From only 3 fits." in few.words) == (3, True)


def test_a_family_is_corrected_and_a_single_question_is_not() -> None:
    stream = random_stream(12, "family")
    labels = np.tile([0, 1], 80)
    odds = [(labels + stream.normal(size=(1, 160))) for _ in range(2)]
    scores = {
        (MODEL, arm): ArmScores(MODEL, arm, "family", labels, row, 1 / (1 + np.exp(-row)), np.zeros(1))
        for arm, row in zip(("real", "augmented"), odds, strict=True)
    }
    names = np.arange(160).astype(str)
    known = scores, Resamples(draw_weights(names, 1, 100, 1)), names, PARAMS
    questions = [PARAMS.primary, PARAMS.primary.model_copy(update={"metric": "brier"})]
    each, family = answer_each(questions, *known), answer_family(questions, *known)
    assert [answer.p_holm for answer in each] == [None, None]
    first, second = sorted(answer.p for answer in each)
    corrected = sorted(answer.p_holm or 0.0 for answer in family)
    assert corrected == pytest.approx([min(1, 2 * first), min(1, max(2 * first, second))])
    assert "corrected p" in family[0].words
    assert "corrected p" not in each[0].words


def test_a_small_p_is_told_as_a_bound() -> None:
    answer = simulate(Setting(), random_stream(12, "told"))
    told = replace(answer, verdict="equivalent", p_equivalent=0.0002)
    assert "p < 0.001" in describe(told, PARAMS, 100)
    assert "p = 0.012 for equivalence" in describe(replace(told, p_equivalent=0.012), PARAMS, 100)
