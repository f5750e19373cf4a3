"""The answer that stands first: did synthetic trials help, by how much, how sure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from trialforge.core.files import Number
from trialforge.reporting.blocks import Cell, Figure, format_cell, pick
from trialforge.reporting.inputs import Inputs

CHANCE = 0.5  # ROC-AUC of who knows nothing
NOT_MEASURED = "Not measured yet: did synthetic trials help?"


@dataclass(frozen=True, slots=True)
class Headline:
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
    """Return the verdict in plain words.

    Where real trials alone teach nothing, or as many more of them do not help, the test could not have shown
    a benefit, whatever the synthetic ones did; and `better` alone is not enough, the controls must be beaten
    too.
    """
    verdict = score.get("primary.verdict")
    if not verdict:
        return NOT_MEASURED
    lowest = score.get("real_alone.low")
    if isinstance(lowest, int | float) and lowest <= CHANCE:
        return (
            "Real trials alone teach nothing that this test can see, so nothing can be said of synthetic ones"
        )
    if score.get("assay.sensitive") is False:
        return "This test could not have shown a benefit: more real trials do not help in it either"
    if verdict == "better":
        if score.get("primary.counts") is True:
            return "Yes: synthetic trials helped to predict the outcome of real ones"
        if score.get("assay.sensitive") is None:
            return "Better with synthetic trials, but not shown that real ones would help"
        return "Better with synthetic trials, but not shown to beat both controls"
    if verdict == "worse":
        return "No: with synthetic trials, real outcomes were predicted worse"
    if verdict == "equivalent":
        return "No: with and without synthetic trials, real outcomes were predicted equally well"
    return "Not shown: training with and without synthetic trials may differ either way"


def _signed(value: Cell) -> str:
    return f"{value:+.3f}".replace("-", "\u2212") if isinstance(value, int | float) else format_cell(value)


def _effect(score: Mapping[str, Number]) -> list[Figure]:
    effect, low, high = (score.get(f"primary.{name}") for name in ("effect", "low", "high"))
    if effect is None:
        return []
    verdict = score.get("primary.verdict")
    tone = {"better": "good", "worse": "bad"}.get(str(verdict), "")
    metric = str(score.get("primary.metric", "")).replace("roc_auc", "ROC-AUC")
    least = score.get("primary.detectable")
    figures = [
        Figure(f"change of {metric}", _signed(effect), f"interval {_signed(low)} to {_signed(high)}", tone),
        *_positive(score),
    ]
    if isinstance(least, float):
        figures.append(Figure("minimum detectable change", round(least, 3), "found with the declared power"))
    return figures


def _positive(score: Mapping[str, Number]) -> list[Figure]:
    """Return what as many more real trials give, whole and in the form of drafts."""
    figures = []
    for name, value in score.items():
        found = re.fullmatch(r"assay\.(.+)\.effect", name)
        if found:
            low, high = (score.get(f"assay.{found[1]}.{bound}") for bound in ("low", "high"))
            note = f"interval {_signed(low)} to {_signed(high)}"
            figures.append(Figure(f"with {found[1]} instead", _signed(value), note))
    return figures


def _height(inputs: Inputs, table: str) -> int | None:
    return inputs.tables[table].height if table in inputs.tables else None


def _counts(inputs: Inputs, score: Mapping[str, Number]) -> list[Figure]:
    accepted, asked = _height(inputs, "synthetic"), _height(inputs, "plan")
    tested = pick(score, "test.trials")
    real = _height(inputs, "train")
    return [
        Figure("synthetic trials accepted", accepted, f"of {asked} asked for" if asked else ""),
        Figure("real trials to learn from", real, "the only ones a model was shown"),
        Figure("real trials to test on", tested, "seen by nothing before the test"),
    ]


def build_answer(inputs: Inputs) -> Headline:
    """Return the headline and the figures that carry it; each word follows from a metric."""
    score = inputs.metrics.get("score", {})
    told = ("real_alone.words", "assay.words", "primary.words")
    said = [score.get(name) for name in told]
    lines = [str(line) for line in said if line]
    lines += [
        str(line) for name, line in inputs.metrics.get("worth", {}).items() if name.startswith("answer.")
    ]
    figures = [*_effect(score), *_counts(inputs, score)]
    return Headline(_headline(score), lines, [figure for figure in figures if figure.value is not None])
