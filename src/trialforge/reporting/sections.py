"""The parts of the report, each built from the metrics of its stage."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trialforge.reporting.blocks import Cell, Figure, Plot, Section, Table, metric_table
from trialforge.reporting.charts import build_plots
from trialforge.reporting.inputs import Inputs, flatten


def _figures(metrics: Mapping[str, Cell], wanted: Sequence[tuple[str, str, str]]) -> list[Figure]:
    """Return a figure for each (metric, label, note) that was measured."""
    return [
        Figure(label, metrics[name], note) for name, label, note in wanted if metrics.get(name) is not None
    ]


def _section(
    key: str, title: str, lead: str, sources: Mapping[str, str], inputs: Inputs, plots: str
) -> Section:
    """Return a section with a table for each metrics file of `sources` (stage -> caption) that is there."""
    tables = [
        metric_table(caption, inputs.metrics[stage], closed=True)
        for stage, caption in sources.items()
        if inputs.metrics.get(stage)
    ]
    drawn: list[Plot] = build_plots(inputs.plots, plots)
    notes = [] if tables else ["Not measured in this run."]
    return Section(key, title, lead, plots=drawn, tables=tables, notes=notes)


def data_section(inputs: Inputs) -> Section:
    """Return what trials the run rests on and how they were split."""
    lead = (
        "The real side of every comparison. Trials are labelled, cleaned of people's names and of "
        "words that tell the outcome, and split before anything else sees them."
    )
    sources = {"ingest": "Trials read", "split": "Parts"}
    return _section("data", "Data", lead, sources, inputs, "corpus/")


def retrieval_section(inputs: Inputs) -> Section:
    """Return how well the search finds what it should."""
    lead = "How often the search finds a trial by a part of itself, and trials of the same condition."
    return _section("retrieval", "Retrieval", lead, {"retrieval": "Search quality"}, inputs, "retrieval/")


def generation_section(inputs: Inputs) -> Section:
    """Return what the language model was asked, what it answered and what it cost."""
    lead = (
        "What the language model was asked and what it answered. Cost is counted in tokens: times differ "
        "from run to run and are kept out of this page."
    )
    return _section(
        "generation", "Generation", lead, {"generation": "Calls and answers"}, inputs, "generation/"
    )


def quality_section(inputs: Inputs) -> Section:
    """Return validity, fidelity, diversity, privacy."""
    lead = (
        "Are the records valid, faithful, diverse and private? Each measure stands beside a yardstick: "
        "held-out real trials against training ones is the best that can be had."
    )
    sources = {"validation": "Validity", "quality": "Fidelity, diversity, privacy and leakage"}
    return _section("quality", "Quality", lead, sources, inputs, "quality/")


def learning_section(inputs: Inputs) -> Section:
    """Return what the records are worth to a classifier of real trials."""
    lead = (
        "Classifiers trained on each mix of records, all scored on the same real trials that nothing before "
        "has seen."
    )
    return _section("learning", "Learning", lead, {"score": "Scores"}, inputs, "learning/")


def provenance_section(inputs: Inputs, software: Mapping[str, str]) -> Section:
    """Return what this page was made of: parameters, files, models, software."""
    models = _models(inputs)
    parameters = [(name, _plain(value)) for name, value in flatten(inputs.params).items()]
    tables = [
        *([Table("Models", ("Model", "Engine", "Digest"), models)] if models else []),
        Table("Parameters", ("Parameter", "Value"), parameters, closed=True),
        Table("Files read", ("File", "SHA-256"), sorted(inputs.hashes.items()), closed=True),
        Table("Software", ("Package", "Version"), sorted(software.items()), closed=True),
    ]
    lead = (
        "Everything that decides this page. dvc.lock, in the same commit, holds the hash of every input of "
        "every stage; `git log -1 dvc.lock` names that commit."
    )
    return Section("provenance", "Provenance", lead, tables=tables)


def _plain(value: Any) -> Cell:
    return value if isinstance(value, str) else json.dumps(value)


def _models(inputs: Inputs) -> list[tuple[str, str, str]]:
    columns = ["model", "engine", "model_digest"]
    generated = inputs.tables.get("generated")
    if generated is None or not set(columns) <= set(generated.columns):
        return []
    return sorted(generated.select(columns).drop_nulls().unique().iter_rows())


def build_sections(inputs: Inputs, software: Mapping[str, str]) -> list[Section]:
    """Return the sections of the page in reading order."""
    return [
        data_section(inputs),
        retrieval_section(inputs),
        generation_section(inputs),
        quality_section(inputs),
        learning_section(inputs),
        provenance_section(inputs, software),
    ]
