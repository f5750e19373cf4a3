"""The answer at the top of the page: did synthetic trials help, by how much, and how certain is it?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from trialforge.core.files import Number
from trialforge.reporting.blocks import Cell, Figure, format_cell, pick
from trialforge.reporting.inputs import Inputs

CHANCE = 0.5  # ROC-AUC of a guess
NOT_MEASURED = "Not measured yet: did synthetic trials help?"


@dataclass(frozen=True, slots=True)
class Headline:
    """The top of the page."""

    headline: str
    lines: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


def describe_corpus(params: Mapping[str, object]) -> str:
    """Return a sentence that says whether the real trials of this run are real."""
    corpus = params.get("ingest")
    source = corpus.get("source") if isinstance(corpus, dict) else None
    if source == "simulated":
        return "Simulated corpus: a known model made up the “real” trials of this run"
    return f"Real registry records, source {source}" if source else "Source of trials unknown"


def _headline(score: Mapping[str, Number]) -> str:
    """Return the verdict in plain words.

    If a classifier learns nothing from real trials alone, or more real trials do not help, the test could not
    have shown a benefit, whatever the synthetic trials did. `better` is not enough either: the synthetic
    trials must also beat the controls.
    """
    verdict = score.get("primary.verdict")
    if not verdict:
        return NOT_MEASURED
    lowest = score.get("real_alone.low")
    if isinstance(lowest, int | float) and lowest <= CHANCE:
        return (
            "Real trials alone are not shown to beat chance, so this test says nothing about synthetic ones"
        )
    if score.get("assay.sensitive") is False:
        return "This test could not have shown a benefit: more real trials do not help either"
    if verdict == "better":
        if score.get("primary.counts") is True:
            return "Yes: synthetic trials helped to predict the outcomes of real ones"
        if score.get("assay.sensitive") is None:
            return "Better with synthetic trials, but the test does not show that more real ones would help"
        return "Better with synthetic trials, but not shown to beat both controls"
    if verdict == "worse":
        return "No: synthetic trials made the predictions of real outcomes worse"
    if verdict == "equivalent":
        return "No: real outcomes were predicted equally well with and without synthetic trials"
    return "Not shown: synthetic trials may have helped or harmed"


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
        Figure(f"change in {metric}", _signed(effect), f"interval {_signed(low)} to {_signed(high)}", tone),
        *_positive(score),
    ]
    if isinstance(least, float):
        figures.append(Figure("minimum detectable effect", round(least, 3), "at the declared power"))
    return figures


def _positive(score: Mapping[str, Number]) -> list[Figure]:
    """Return the effect of adding real trials instead, whole and in the form of drafts."""
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
        Figure("synthetic trials accepted", accepted, f"of {asked} requested" if asked else ""),
        Figure("real training trials", real, "the only ones that prompts show"),
        Figure("real test trials", tested, "no classifier or prompt of a draft saw them"),
    ]


def build_answer(inputs: Inputs) -> Headline:
    """Return the headline and the figures that support it; every claim follows from a metric."""
    score = inputs.metrics.get("score", {})
    told = ("real_alone.words", "assay.words", "primary.words")
    said = [score.get(name) for name in told]
    lines = [str(line) for line in said if line]
    lines += [
        str(line) for name, line in inputs.metrics.get("worth", {}).items() if name.startswith("answer.")
    ]
    figures = [*_effect(score), *_counts(inputs, score)]
    return Headline(_headline(score), lines, [figure for figure in figures if figure.value is not None])
