"""The parts of the report, each built from the metrics and plots of its stages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trialforge.reporting.blocks import Cell, Figure, Section, Table, metric_table
from trialforge.reporting.charts import build_plots
from trialforge.reporting.inputs import Inputs, flatten

Wanted = tuple[str, str, str, str]  # `stage.metric`, label, note, tone


def _section(
    key: str,
    title: str,
    lead: str,
    inputs: Inputs,
    sources: Mapping[str, str],
    figures: Sequence[Wanted] = (),
    tables: Sequence[Table] = (),
) -> Section:
    """Return a section: figures, pictures of plots/KEY/, and a table for each metrics file of `sources`."""
    measured = {
        f"{stage}.{name}": value for stage in sources for name, value in inputs.metrics.get(stage, {}).items()
    }
    shown = [
        Figure(label, measured[name], note, tone)
        for name, label, note, tone in figures
        if measured.get(name) is not None
    ]
    files = [
        metric_table(caption, inputs.metrics[stage], closed=True)
        for stage, caption in sources.items()
        if inputs.metrics.get(stage)
    ]
    notes = [] if files else ["Not measured in this run."]
    return Section(key, title, lead, shown, build_plots(inputs.plots, f"{key}/"), [*tables, *files], notes)


def count_table(metrics: Mapping[str, Cell], group: str, caption: str, heading: str) -> list[Table]:
    """Return the counts `group.NAME` of a metrics file as a table with shares; none where there are none."""
    counts = {
        name.removeprefix(f"{group}."): value
        for name, value in metrics.items()
        if name.startswith(f"{group}.") and isinstance(value, int)
    }
    total = sum(counts.values())
    rows = [(name, count, f"{count / total:.0%}") for name, count in counts.items()]
    return [Table(caption, (heading, "Trials", "Share"), rows)] if total else []


def data_section(inputs: Inputs) -> Section:
    """Return what trials the run rests on and how they were split."""
    lead = (
        "The real side of every comparison. Trials are labelled, cleaned of people's names and of "
        "words that tell the outcome, and split before anything else sees them."
    )
    figures = (
        ("ingest.trials", "trials read", "", ""),
        ("ingest.refused.total", "records or values refused", "each with its reason", ""),
        ("split.train", "for training", "the pool of exemplars", ""),
        ("split.validation", "for validation", "thresholds, stopping", ""),
        ("split.test", "for the test", "unseen until the end", ""),
        ("split.dropped", "dropped", "they straddle the parts", ""),
    )
    ingest = inputs.metrics.get("ingest", {})
    tables = [
        *count_table(ingest, "label", "Outcome labels", "Label"),
        *count_table(ingest, "phase", "Phases", "Phase"),
    ]
    sources = {"ingest": "All counts of the source", "split": "All counts of the split"}
    return _section("data", "Data", lead, inputs, sources, figures, tables)


def retrieval_section(inputs: Inputs) -> Section:
    """Return how well the search finds what it should."""
    lead = "How often the search finds a trial by a part of itself, and trials of the same condition."
    return _section("retrieval", "Retrieval", lead, inputs, {"retrieval": "All measures of the search"})


def generation_section(inputs: Inputs) -> Section:
    """Return what the language model was asked, what it answered and what it cost."""
    lead = (
        "What the language model was asked and what it answered. Cost is counted in tokens: times differ "
        "from run to run and are kept out of this page."
    )
    sources = {"reasoning": "All counts of reasons", "generation": "All counts of calls and answers"}
    return _section("generation", "Generation", lead, inputs, sources)


def quality_section(inputs: Inputs) -> Section:
    """Return validity, fidelity, diversity, privacy."""
    lead = (
        "Are the records valid, faithful, diverse and private? Each measure stands beside a yardstick: "
        "held-out real trials against training ones is the best that can be had."
    )
    sources = {"validation": "All counts of validation", "quality": "All measures of the records"}
    return _section("quality", "Quality", lead, inputs, sources)


def learning_section(inputs: Inputs) -> Section:
    """Return what the records are worth to a classifier of real trials."""
    lead = (
        "Classifiers trained on each mix of records, all scored on the same real trials that nothing before "
        "has seen."
    )
    return _section("learning", "Learning", lead, inputs, {"score": "All scores"})


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
