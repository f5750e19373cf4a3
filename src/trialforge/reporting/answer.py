"""The answer that stands first: did synthetic trials help, by how much, how sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trialforge.core.files import Number
from trialforge.reporting.blocks import Cell, Figure, format_cell, pick
from trialforge.reporting.inputs import Inputs

NOT_MEASURED = "Not measured yet: did synthetic trials help?"


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of the page."""

    headline: str
    lines: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


def describe_corpus(params: Mapping[str, object]) -> str:
    """Return the words that say whether the real side of this run is real."""
    corpus = params.get("ingest")
    source = corpus.get("source") if isinstance(corpus, dict) else None
    if source == "simulated":
        return "Simulated corpus: the “real” trials of this run are made up by a known model"
    return f"Real registry records, source {source}" if source else "Source of trials not stated"


def _headline(score: Mapping[str, Number]) -> str:
    """Return the verdict in plain words; `better` alone is not enough, the controls must be beaten too."""
    verdict = score.get("primary.verdict")
    if verdict == "better":
        counts = score.get("primary.counts") is True
        helped = "Yes: synthetic trials helped to predict the outcome of real ones"
        return helped if counts else "Better with synthetic trials, but not shown to beat both controls"
    if verdict == "worse":
        return "No: with synthetic trials, real outcomes were predicted worse"
    if verdict:
        return "No difference shown between training with and without synthetic trials"
    return NOT_MEASURED


def _signed(value: Cell) -> str:
    return f"{value:+.3f}".replace("-", "\u2212") if isinstance(value, int | float) else format_cell(value)


def _effect(score: Mapping[str, Number]) -> list[Figure]:
    effect, low, high = (score.get(f"primary.{name}") for name in ("effect", "low", "high"))
    if effect is None:
        return []
    verdict = score.get("primary.verdict")
    tone = {"better": "good", "worse": "bad"}.get(str(verdict), "")
    metric = str(score.get("primary.metric", "")).replace("roc_auc", "ROC-AUC")
    least = score.get("primary.demonstrable")
    figures = [
        Figure(f"change of {metric}", _signed(effect), f"interval {_signed(low)} to {_signed(high)}", tone),
    ]
    if isinstance(least, float):
        figures.append(Figure("smallest change it could show", round(least, 3), "none below it is claimed"))
    return figures


def _height(inputs: Inputs, table: str) -> int | None:
    return inputs.tables[table].height if table in inputs.tables else None


def _counts(inputs: Inputs, score: Mapping[str, Number]) -> list[Figure]:
    accepted, written = _height(inputs, "synthetic"), _height(inputs, "generated")
    tested = pick(score, "test.trials")
    real = _height(inputs, "train")
    return [
        Figure("synthetic trials accepted", accepted, f"of {written} asked for" if written else ""),
        Figure("real trials to learn from", real, "the only ones a model was shown"),
        Figure("real trials to test on", tested, "seen by nothing before the test"),
    ]


def build_answer(inputs: Inputs) -> Answer:
    """Return the headline and the figures that carry it; each word follows from a metric."""
    score = inputs.metrics.get("score", {})
    said = [score.get(name) for name in ("primary.words", "zeroshot.words")]
    lines = [str(line) for line in said if line]
    figures = [*_effect(score), *_counts(inputs, score)]
    return Answer(_headline(score), lines, [figure for figure in figures if figure.value is not None])
