"""Is one arm better than another? Effect, interval, test and the words that follow from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from trialforge.learning.params import Comparison
from trialforge.scoring.bootstrap import interval, p_value
from trialforge.scoring.metrics import METRICS
from trialforge.scoring.paired_tests import AreaTest, delong, holm, mcnemar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from trialforge.learning.params import StatisticsParams
    from trialforge.scoring.scores import ArmScores, Resamples

AGAINST = "real"
ENOUGH_SEEDS, ENOUGH_DRAWS = 5, 10_000  # fewer are for trying things out, and every answer then says so
Verdict = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes:
        effect: metric of the arm less that of the other, averaged over seeds.
        low, high: its bootstrap interval, over clusters of trials and seeds.
        test: which test gave `p`: delong, mcnemar or bootstrap.
        p_holm: `p`, corrected for the family.
        demonstrable: the least effect that this test part could show at the first step of Holm's
            correction, so with alpha / questions; no smaller one is claimed.
    """

    name: str
    metric: str
    model: str
    arm: str
    against: str
    effect: float
    low: float
    high: float
    test: str
    p: float
    p_holm: float
    demonstrable: float
    verdict: Verdict
    words: str = ""


def compare(
    question: Comparison,
    scores: dict[tuple[str, str], ArmScores],
    resamples: Resamples,
    clusters: NDArray[np.str_],
    params: StatisticsParams,
    asked: int,
) -> Answer:
    """Return the answer to one question, its p-value not yet corrected for the others.

    Args:
        question: what is asked.
        scores: by model and arm.
        resamples: the metrics of every draw.
        clusters: the intervention of each test trial.
        params: level and power.
        asked: how many questions are corrected together.
    """
    second, first = scores[question.model, question.arm], scores[question.model, question.against]
    measure = METRICS[question.metric].measure
    gaps = resamples.of(second, question.metric) - resamples.of(first, question.metric)
    once = np.ones((1, first.labels.size))
    values = [
        np.mean(
            [
                measure(one.labels, row, cut, once)[0]
                for row, cut in zip(one.scores, one.thresholds, strict=True)
            ]
        )
        for one in (first, second)
    ]
    low, high = interval(gaps, params.level)
    error = AreaTest(0.0, float(np.nanstd(gaps)), 1e9)
    test, p = "bootstrap", p_value(gaps)
    if question.metric == "roc_auc":
        error = delong(first.labels, first.scores, second.scores, clusters)
        test, p = "delong", error.p()
    elif question.metric == "accuracy":
        right = [one.votes == (one.labels == 1) for one in (first, second)]
        test, p = "mcnemar", mcnemar(right[0], right[1])
    return Answer(
        question.name, question.metric, question.model, question.arm, question.against,
        float(values[1] - values[0]), low, high, test, p, p,
        error.demonstrable(1 - (1 - params.level) / asked, params.power), "no difference shown",
    )  # fmt: skip


def answer_all(
    questions: Sequence[Comparison],
    scores: dict[tuple[str, str], ArmScores],
    resamples: Resamples,
    clusters: NDArray[np.str_],
    params: StatisticsParams,
) -> list[Answer]:
    """Return the answers to questions, in their order, corrected together (Holm)."""
    answers = [
        compare(question, scores, resamples, clusters, params, len(questions)) for question in questions
    ]
    corrected = holm(np.array([answer.p for answer in answers]))
    judged = [
        replace(answer, p_holm=float(p), verdict=judge(replace(answer, p_holm=float(p)), params.level))
        for answer, p in zip(answers, corrected, strict=True)
    ]
    draws, seeds = resamples.draws.seeds.shape
    few = describe_few(seeds, draws)
    return [replace(answer, words=describe(answer, params.level) + few) for answer in judged]


def explore(scores: dict[tuple[str, str], ArmScores], wholes: Mapping[str, str]) -> list[list[Comparison]]:
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


def judge(answer: Answer, level: float) -> Verdict:
    """Return `better` or `worse` only for an effect that is significant and no smaller than demonstrable."""
    outside = answer.low > 0 or answer.high < 0
    if answer.p_holm >= 1 - level or abs(answer.effect) < answer.demonstrable or not outside:
        return "no difference shown"
    good = (answer.effect > 0) == METRICS[answer.metric].higher_is_better
    return "better" if good else "worse"


def describe(answer: Answer, level: float) -> str:
    """Return the sentence that a report may print; it says no more than the figures do."""
    said = {
        "better": f"{answer.arm} is better than {answer.against}",
        "worse": f"{answer.arm} is worse than {answer.against}",
        "no difference shown": f"no difference between {answer.arm} and {answer.against} is shown",
    }[answer.verdict]
    sentence = (
        f"By {answer.metric} of {answer.model}, {said}: {answer.effect:+.3f} "
        f"({level:.0%} interval {answer.low:+.3f} to {answer.high:+.3f}, corrected p {answer.p_holm:.3f})."
    )
    if answer.verdict == "no difference shown":
        sentence += f" This test part could have shown a difference of {answer.demonstrable:.3f} or more."
    return sentence


def describe_few(seeds: int, draws: int) -> str:
    """Return what to add to an answer that rests on fewer seeds or draws than one should believe."""
    few = [f"{seeds} seed{'s' if seeds > 1 else ''}"] if seeds < ENOUGH_SEEDS else []
    few += [f"{draws} bootstrap draws"] if draws < ENOUGH_DRAWS else []
    return f" From only {' and '.join(few)}." if few else ""


def as_row(answer: Answer) -> dict[str, object]:
    """Return an answer as plain rounded values."""
    return {
        key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(answer).items()
    }
