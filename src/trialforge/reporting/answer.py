"""The answer that stands first: did synthetic trials help, by how much, how sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trialforge.reporting.blocks import Cell, Figure, pick
from trialforge.reporting.inputs import Inputs


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of the page."""

    headline: str
    lines: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


def describe_corpus(params: Mapping[str, object]) -> str:
    """Return the words that say whether the real side of this run is real."""
    corpus = params.get("corpus")
    source = corpus.get("source") if isinstance(corpus, dict) else None
    if source == "simulated":
        return "Simulated corpus: the “real” trials of this run are made up by a known model"
    return f"Real registry records, source {source}" if source else "Source of trials not stated"


def _count(inputs: Inputs, table: str) -> Cell:
    return inputs.tables[table].height if table in inputs.tables else None


def build_answer(inputs: Inputs) -> Answer:
    """Return the headline and the figures that carry it; each word follows from a metric."""
    score = inputs.metrics.get("score", {})
    accepted, generated = _count(inputs, "synthetic"), _count(inputs, "generated")
    headline = pick(score, "answer", "primary.words", "verdict")
    figures = [
        Figure("synthetic trials accepted", accepted, f"of {generated} written" if generated else ""),
    ]
    return Answer(
        headline=str(headline) if headline else "Not yet measured: did synthetic trials help?",
        figures=[figure for figure in figures if figure.value is not None],
    )
