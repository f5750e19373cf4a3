"""Is one arm better than another? Effect, interval, test, verdict and the words that follow from them."""

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
ENOUGH_FITS, ENOUGH_DRAWS = 5, 10_000  # fewer are for trying things out, and every answer then says so
Test = Literal["delong", "mcnemar", "bootstrap"]
Verdict = Literal["better", "worse", "equivalent", "not shown"]


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """The answer to one question.

    Attributes:
        effect: metric of the arm less that of the other, averaged over seeds.
        fits: models that were fitted for the arm or the other, whichever has more.
        generations: generations of synthetic trials that they learned from.
        low, high: the interval of its test; of accuracy, the bootstrap's, over clusters of trials and seeds.
        test: which test gave `p`.
        p_holm: `p` corrected for the family; None for a question that is asked at the full level.
        p_equivalent: of the tests that the two are equivalent within the declared margin (corrected in a
            family); None for a metric without one.
        detectable: the least true effect that this test finds with the declared power, at the full level;
            infinite where it can find none.
        error_trials, error_fits, error_generations: the parts of the standard error; None where there is
            one fit, fewer than two generations of synthetic trials, or the bootstrap does not part them.
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
    """Return the figures of one question, without verdict.

    Args:
        question: what is asked.
        scores: by model and arm.
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

    So are the primary question and the controls asked: a gain that must be one over each of several rivals
    is an intersection-union test (Berger 1982), whose parts need no correction.
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
    """Return what nobody declared: each arm against real trials, and ablated ones against their whole.

    Each metric of each side is a family of its own. Corrected over all of them, no bootstrap test of a run
    with many arms could come out significant, as its p-value is never below 2 / draws.

    Args:
        scores: by model and arm.
        wholes: ablated arm -> the arm that it is an ablation of.
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
    """Return what the tests allow to say at `level`.

    `better` or `worse`: the test of a difference, with an interval that leaves out 0. `equivalent`: else,
    the two one-sided tests within the margin. `not shown`: neither.
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
    return f"p {p:.3f}" if p >= 0.001 else "p < 0.001"


def describe(answer: ComparisonResult, params: StatisticsParams, draws: int) -> str:
    """Return the sentences that a report may print; they say no more than the figures do."""
    said = {
        "better": f"{answer.arm} is better than {answer.against}",
        "worse": f"{answer.arm} is worse than {answer.against}",
        "equivalent": f"{answer.arm} and {answer.against} are equivalent within {params.margin:g}",
        "not shown": f"no difference between {answer.arm} and {answer.against} is shown",
    }[answer.verdict]
    p = _tell_p(answer.p) if answer.p_holm is None else f"corrected {_tell_p(answer.p_holm)}"
    if answer.verdict == "equivalent" and answer.p_equivalent is not None:
        p = _tell_p(answer.p_equivalent) + (" corrected" if answer.p_holm is not None else "")
    sentence = (
        f"By {answer.metric} of {answer.model}, {said}: {answer.effect:+.3f} "
        f"({params.level:.0%} interval {answer.low:+.3f} to {answer.high:+.3f}, {p})."
    )
    if answer.verdict == "not shown":
        sentence += (
            f" With {params.power:.0%} power this test finds a true difference of {answer.detectable:.3f}."
            if math.isfinite(answer.detectable)
            else " This test can find no difference: one intervention has all test trials of a label."
        )
    return sentence + _describe_variation(answer, draws)


def _describe_variation(answer: ComparisonResult, draws: int) -> str:
    """Return what the interval does not hold, and which numbers are too small to believe."""
    words = ""
    if answer.fits <= max(answer.generations, 1):
        each = "One fit of each generation" if answer.generations > 1 else "One fit each"
        words += f" {each}: another draw of real training trials is not in the interval."
    elif answer.fits < ENOUGH_FITS:
        words += f" From only {answer.fits} fits."
    if answer.generations == 1:
        words += " One generation of synthetic trials: another one is not in the interval."
    if answer.test != "delong" and draws < ENOUGH_DRAWS:
        words += f" From only {draws} bootstrap draws."
    return words


def as_row(answer: ComparisonResult) -> dict[str, object]:
    """Return an answer as plain rounded values; None for a number that is unknown or infinite."""
    values = asdict(answer).items()
    return {key: rounded(value) if isinstance(value, float) else value for key, value in values}


def rounded(value: float) -> float | None:
    """Return a number as it is written, None where it is none."""
    return round(value, 6) if math.isfinite(value) else None
