"""Compare two arms: effect, interval, test, verdict and the sentences that follow from them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from trialforge.core.resampling import percentile_interval
from trialforge.learning.params import Comparison
from trialforge.scoring.bootstrap import p_value
from trialforge.scoring.metrics import METRICS
from trialforge.scoring.paired_tests import AreaTest, delong, detectable_area, holm, mcnemar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from trialforge.learning.params import StatisticsParams
    from trialforge.scoring.scores import ArmScores, Resamples

AGAINST = "real"
ENOUGH_FITS, ENOUGH_DRAWS = 5, 10_000  # with fewer, every answer says so
Test = Literal["delong", "mcnemar", "bootstrap"]
Verdict = Literal["better", "worse", "equivalent", "not shown"]


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """The answer to one question.

    Attributes:
        effect: the metric of the arm minus that of the other, averaged over seeds.
        fits: the number of models fitted for the arm or the other, whichever is larger.
        generations: the number of generations of synthetic trials that they learned from.
        low, high: the interval of the test; for accuracy, that of the bootstrap over clusters and seeds.
        test: the test that gave `p`.
        p_holm: `p` corrected for the family; None for a question asked at the full level.
        p_equivalent: the p-value of equivalence within the declared margin (corrected in a family); None for
            a metric without a margin.
        detectable: the smallest true effect that this test detects with the declared power, at the full
            level; infinite if it can detect none.
        error_trials, error_fits, error_generations: the parts of the standard error; None if there is one
            fit, fewer than two generations of synthetic trials, or the bootstrap does not separate them.
    """

    name: str
    metric: str
    model: str
    arm: str
    against: str
    effect: float
    fits: int
    generations: int
    low: float = math.nan
    high: float = math.nan
    test: Test = "bootstrap"
    p: float = 1.0
    p_holm: float | None = None
    p_equivalent: float | None = None
    detectable: float = math.nan
    error_trials: float | None = None
    error_fits: float | None = None
    error_generations: float | None = None
    verdict: Verdict = "not shown"
    words: str = ""


def compare(
    question: Comparison,
    scores: Mapping[tuple[str, str], ArmScores],
    resamples: Resamples,
    clusters: NDArray[np.str_],
    params: StatisticsParams,
) -> ComparisonResult:
    """Return the figures of one question, without a verdict.

    Args:
        question: the question.
        scores: the scores by model and arm.
        resamples: the metrics of every draw.
        clusters: the intervention of each test trial.
        params: level, power and margin.
    """
    second, first = scores[question.model, question.arm], scores[question.model, question.against]
    asked = ComparisonResult(
        question.name, question.metric, question.model, question.arm, question.against,
        effect=second.mean(question.metric) - first.mean(question.metric),
        fits=max(first.fits, second.fits),
        generations=max(first.generation_count, second.generation_count),
    )  # fmt: skip
    if question.metric == "roc_auc":
        made = second.generations if first.generations is None else first.generations
        area = delong(first.labels, first.scores, second.scores, clusters, made)
        low, high = area.interval(params.level)
        return replace(
            asked, test="delong", effect=area.value, low=low, high=high, p=area.p(),
            p_equivalent=area.p_equivalent(params.margin),
            detectable=detectable_area(area, first.mean("roc_auc"), params.level, params.power),
            error_trials=area.error_trials,
            error_fits=area.error_repeats if asked.fits > 1 and asked.generations < 2 else None,
            error_generations=area.error_repeats if asked.generations > 1 else None,
        )  # fmt: skip
    gaps = resamples.of(second, question.metric) - resamples.of(first, question.metric)
    low, high = percentile_interval(gaps, params.level)
    error = AreaTest(0.0, float(np.nanstd(gaps)), 1e9)
    asked = replace(asked, low=low, high=high, detectable=error.detectable(params.level, params.power))
    if question.metric == "accuracy":
        first_right, second_right = (one.votes == (one.labels == 1) for one in (first, second))
        return replace(asked, test="mcnemar", p=mcnemar(first_right, second_right))
    return replace(asked, test="bootstrap", p=p_value(gaps))


def answer_each(
    questions: Sequence[Comparison],
    scores: Mapping[tuple[str, str], ArmScores],
    resamples: Resamples,
    clusters: NDArray[np.str_],
    params: StatisticsParams,
) -> list[ComparisonResult]:
    """Return the answers to questions, in their order, each at the full level.

    This is how the primary question and the controls are asked: a gain that must hold against each of several
    rivals is an intersection-union test (Berger 1982), whose parts need no correction.
    """
    answers = [compare(question, scores, resamples, clusters, params) for question in questions]
    return [_conclude(answer, params, resamples) for answer in answers]


def answer_family(
    questions: Sequence[Comparison],
    scores: Mapping[tuple[str, str], ArmScores],
    resamples: Resamples,
    clusters: NDArray[np.str_],
    params: StatisticsParams,
) -> list[ComparisonResult]:
    """Return the answers to questions, in their order, corrected together (Holm)."""
    answers = [compare(question, scores, resamples, clusters, params) for question in questions]
    differ = holm(np.array([answer.p for answer in answers]))
    same = holm(np.array([1.0 if one.p_equivalent is None else one.p_equivalent for one in answers]))
    corrected = [
        replace(
            answer, p_holm=float(p), p_equivalent=None if answer.p_equivalent is None else float(p_equivalent)
        )
        for answer, p, p_equivalent in zip(answers, differ, same, strict=True)
    ]
    return [_conclude(answer, params, resamples) for answer in corrected]


def _conclude(answer: ComparisonResult, params: StatisticsParams, resamples: Resamples) -> ComparisonResult:
    judged = replace(answer, verdict=judge(answer, params.level))
    return replace(judged, words=describe(judged, params, len(resamples.draws.trials)))


def explore(scores: Mapping[tuple[str, str], ArmScores], wholes: Mapping[str, str]) -> list[list[Comparison]]:
    """Return the undeclared comparisons: each arm with real trials, and each ablated arm with its original.

    Each metric of each side is a family of its own. If all were corrected together, no bootstrap test of a
    run with many arms could be significant, because its p-value is never below 2 / draws.

    Args:
        scores: the scores by model and arm.
        wholes: ablated arm -> the arm that it ablates.
    """
    sides = (
        [(model, arm, AGAINST) for model, arm in scores if arm != AGAINST],
        [(model, arm, wholes[arm]) for model, arm in scores if arm in wholes],
    )
    return [
        [
            Comparison.model_validate({"model": model, "arm": arm, "against": against, "metric": metric})
            for model, arm, against in side
            if (model, against) in scores
        ]
        for side in sides
        for metric in METRICS
    ]


def judge(answer: ComparisonResult, level: float) -> Verdict:
    """Return the verdict of the tests at `level`.

    `better` or `worse`: the difference is significant and its interval excludes 0. `equivalent`: otherwise,
    if the two one-sided tests are significant within the margin. `not shown`: neither.
    """
    outside = answer.low > 0 or answer.high < 0
    p = answer.p if answer.p_holm is None else answer.p_holm
    if p < 1 - level and outside:
        good = (answer.effect > 0) == METRICS[answer.metric].higher_is_better
        return "better" if good else "worse"
    if answer.p_equivalent is not None and answer.p_equivalent < 1 - level:
        return "equivalent"
    return "not shown"


def _tell_p(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def describe(answer: ComparisonResult, params: StatisticsParams, draws: int) -> str:
    """Return the sentences for the report; they claim no more than the figures show."""
    said = {
        "better": f"{answer.arm} is better than {answer.against}",
        "worse": f"{answer.arm} is worse than {answer.against}",
        "equivalent": f"{answer.arm} and {answer.against} are equivalent within {params.margin:g}",
        "not shown": f"no difference between {answer.arm} and {answer.against} is shown",
    }[answer.verdict]
    p = _tell_p(answer.p) if answer.p_holm is None else f"corrected {_tell_p(answer.p_holm)}"
    if answer.verdict == "equivalent" and answer.p_equivalent is not None:
        corrected = "corrected " if answer.p_holm is not None else ""
        p = f"{corrected}{_tell_p(answer.p_equivalent)} for equivalence"
    sentence = (
        f"In {tell_metric(answer.metric)} with {answer.model}, {said}: {answer.effect:+.3f} "
        f"({params.level:.0%} interval {answer.low:+.3f} to {answer.high:+.3f}, {p})."
    )
    if answer.verdict == "not shown":
        sentence += (
            f" With {params.power:.0%} power this test finds a true difference of {answer.detectable:.3f}."
            if math.isfinite(answer.detectable)
            else " This test can find no difference: one intervention has all test trials of a label."
        )
    return sentence + _describe_variation(answer, draws)


def tell_metric(name: str) -> str:
    """Return the name of a metric as a text has it."""
    return name.replace("_", " ").replace("roc auc", "ROC-AUC").replace("pr auc", "PR-AUC")


def _describe_variation(answer: ComparisonResult, draws: int) -> str:
    """Return what the interval does not cover, and which numbers are too small to trust."""
    words = ""
    if answer.fits <= max(answer.generations, 1):
        each = "One fit of each generation" if answer.generations > 1 else "One fit each"
        words += f" {each}: the interval does not cover another draw of real training trials."
    elif answer.fits < ENOUGH_FITS:
        words += f" From only {answer.fits} fits."
    if answer.generations == 1:
        words += " One generation of synthetic trials: the interval does not cover another one."
    if answer.test != "delong" and draws < ENOUGH_DRAWS:
        words += f" From only {draws} bootstrap draws."
    return words


def as_row(answer: ComparisonResult) -> dict[str, object]:
    """Return an answer as plain rounded values; None for unknown or infinite numbers."""
    values = asdict(answer).items()
    return {key: rounded(value) if isinstance(value, float) else value for key, value in values}


def rounded(value: float) -> float | None:
    """Return a number rounded for output; None if it is not finite."""
    return round(value, 6) if math.isfinite(value) else None
