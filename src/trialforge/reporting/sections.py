"""The parts of the report, each built from the metrics and plots of its stages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trialforge.core.files import flatten
from trialforge.reporting.blocks import Cell, Figure, ReportSection, Table, metric_table
from trialforge.reporting.inputs import Inputs
from trialforge.reporting.pictures import build_plots
from trialforge.reporting.summaries import (
    agreement_table,
    arm_table,
    arm_words,
    closest_rows,
    count_table,
    detail_tables,
    matching_table,
    measure_tables,
    mode_rows,
    order_arms,
    point_rows,
    rate_table,
    year_rows,
)

if TYPE_CHECKING:
    import polars as pl

Wanted = tuple[str, str, str, str]  # `stage.metric`, label, note, form
_FORMS = {"share": "{:.0%}", "score": "{:.3f}"}


def _form(value: Cell, form: str) -> Cell:
    number = isinstance(value, int | float) and form in _FORMS
    return _FORMS[form].format(value).replace("-", "\u2212") if number else value


def _section(
    key: str,
    title: str,
    lead: str,
    inputs: Inputs,
    sources: Mapping[str, str],
    figures: Sequence[Wanted] = (),
    tables: Sequence[Table] = (),
    rows: Mapping[str, pl.DataFrame] | None = None,
) -> ReportSection:
    """Return a section: figures, its pictures of plots/ and `rows`, a table for each file of `sources`."""
    measured = inputs.measured
    shown = [
        Figure(label, _form(measured[name], form), note)
        for name, label, note, form in figures
        if measured.get(name) is not None
    ]
    files = [
        metric_table(caption, inputs.metrics[stage], closed=True)
        for stage, caption in sources.items()
        if inputs.metrics.get(stage)
    ]
    notes = [] if files else ["Not measured in this run."]
    return ReportSection(
        key,
        title,
        lead,
        shown,
        build_plots(inputs.plots | dict(rows or {}), key),
        [*tables, *files],
        notes,
    )


def data_section(inputs: Inputs) -> ReportSection:
    """Return what trials the run rests on and how they were split."""
    lead = (
        "The real side of every comparison. Trials are labelled, cleaned of people's names and of "
        "words that tell the outcome, and split before anything else sees them."
    )
    figures = (
        ("ingest.trials", "trials read", "", ""),
        ("ingest.refused.total", "records or values refused", "each with its reason", ""),
        ("ingest.label_rate.all.labelled", "trials with a label", "", ""),
        ("ingest.label_rate.all.success", "of them successes", "", "share"),
        ("ingest.p_value.unreadable", "posted p-values not read", "they make their source abstain", ""),
        ("ingest.label_table.csv.unmatched", "label table: ids without a trial", "", ""),
        ("ingest.label_table.csv.trials_without", "label table: trials without a row", "", ""),
        ("split.leakage.presence_auc", "label read from filled fields alone", "ROC-AUC on train", "score"),
        ("split.leakage.fields_dropped", "fields dropped, as their presence tells the label", "", ""),
        ("split.shift.gap_years", "years from train to test", "between the median starts", ""),
        ("split.train.trials", "for training", "the pool of exemplars", ""),
        ("split.validation.trials", "for validation", "thresholds, stopping", ""),
        ("split.test.trials", "for the test", "unseen until the end", ""),
        ("split.dropped.trials", "dropped", "they straddle or repeat across parts", ""),
        (
            "split.simulated_best_roc_auc",
            "best reachable ROC-AUC",
            "known, as the corpus is simulated",
            "score",
        ),
    )
    ingest = inputs.metrics.get("ingest", {})
    tables = [
        *count_table(ingest, "label", "Outcome labels", "Label"),
        *count_table(ingest, "phase", "Phases", "Phase"),
        *count_table(ingest, "stop_reason", "Why trials stopped", "Reason"),
        *count_table(ingest, "source", "Forms of the records", "Form"),
        *count_table(ingest, "left_out", "Trials that the run is not about", "Reason"),
        *agreement_table(ingest),
        *rate_table(ingest, "source", "Success by source of labels", "Source"),
        *rate_table(ingest, "phase", "Success by phase", "Phase"),
        *(
            replace(table, closed=True)
            for table in rate_table(ingest, "year", "Success by year", "Registered")
        ),
    ]
    sources = {"ingest": "All counts of the source", "split": "All counts of the split"}
    return _section("data", "Data", lead, inputs, sources, figures, tables, {"data/year": year_rows(ingest)})


def retrieval_section(inputs: Inputs) -> ReportSection:
    """Return how well the search finds what it should."""
    lead = "How often the search finds a trial by a part of itself, and trials of the same condition."
    figures = (
        ("retrieval.exemplars.targets", "targets", "", ""),
        ("retrieval.exemplars.distinct_trials", "distinct exemplars", "real trials that were shown", ""),
        ("retrieval.exemplars.targets_short", "targets with too few", "", ""),
    )
    rows = {"retrieval/modes": mode_rows(inputs.metrics.get("retrieval", {}))}
    return _section(
        "retrieval",
        "Retrieval",
        lead,
        inputs,
        {"retrieval": "All measures of the search"},
        figures,
        rows=rows,
    )


def cost_section(inputs: Inputs) -> ReportSection:
    """Return what the language model was asked, what it answered and what that cost."""
    lead = (
        "What the language model was asked, what it answered and what that cost, in calls and tokens. "
        "This page has no seconds, as they differ from run to run and its bytes must not: trialforge doctor "
        "shows those of the last run on this machine, the benchmarks measure them."
    )
    sources = {"reasoning": "All counts of reasons", "generation": "All counts of calls and answers"}
    figures = (
        ("generation.targets", "records asked for", "", ""),
        ("generation.retries", "asked again", "for a fault of the first answer", ""),
        ("generation.given_up", "given up", "after every retry", ""),
        ("generation.first_try_accepted_share", "good at the first try", "share of the records", "share"),
        ("generation.prompt_tokens_sent", "prompt tokens", "for the records", ""),
        ("generation.completion_tokens", "tokens written", "for the records", ""),
        ("reasoning.grounded_share", "true citations", "share of what the reasons cite", "share"),
    )
    section = _section("cost", "Cost and time", lead, inputs, sources, figures)
    return replace(section, figures=[*section.figures, *_price(inputs)])


def _price(inputs: Inputs) -> list[Figure]:
    written = inputs.metrics.get("generation", {}).get("completion_tokens")
    accepted = inputs.metrics.get("validation", {}).get("accepted")
    if not isinstance(written, int) or not isinstance(accepted, int) or not accepted:
        return []
    return [Figure("tokens for each record kept", round(written / accepted), "written, without its reasons")]


def quality_section(inputs: Inputs) -> ReportSection:
    """Return validity, fidelity, diversity."""
    lead = (
        "Are the records valid, faithful and diverse? Each measure stands beside a yardstick: "
        "held-out real trials against training ones is the best that can be had."
    )
    sources = {"validation": "All counts of validation", "quality": "All measures of the records"}
    figures = (
        ("validation.acceptance_rate", "drafts accepted", "by validation", "share"),
        ("quality.fidelity.precision", "precision", "share near real trials", "score"),
        ("quality.fidelity.coverage", "coverage", "share of real trials near a record", "score"),
        ("quality.fidelity.two_sample_auc", "told from real trials", "ROC-AUC; 0.5 is not at all", "score"),
        ("quality.diversity.vendi", "Vendi score", "how many different records it counts", ""),
    )
    tables = measure_tables(inputs.plots.get("quality/measures"), ("fidelity", "diversity"))
    tables += matching_table(inputs.plots.get("quality/matching"))
    tables += detail_tables(inputs.plots, "quality")
    rows = point_rows(inputs.plots.get("quality/picture"))
    return _section("quality", "Quality", lead, inputs, sources, figures, tables, rows)


def privacy_section(inputs: Inputs) -> ReportSection:
    """Return memorisation, privacy, membership and leakage."""
    lead = (
        "Do the records repeat real trials, betray what the model was shown, or tell their label in ways "
        "that real trials do not? These measures bound what was looked for and prove nothing about the rest."
    )
    figures = (
        ("quality.memorisation.longest_ngram", "longest copied run", "words of a training trial", ""),
        ("quality.copies.largest_excess", "copied most", "share of a field above real trials'", "share"),
        ("quality.privacy.copies", "near-copies", "share above that of held-out trials", "share"),
        (
            "quality.membership.gain",
            "membership attack",
            "ROC-AUC above the target's; 0 tells nothing",
            "score",
        ),
        ("quality.leakage.held_out_ids", "ids of held-out trials", "in records, exemplars, reasons", ""),
        ("quality.leakage.words_gap", "label told by words", "ROC-AUC above that of real text", "score"),
    )
    groups = ("copies", "memorisation", "privacy", "membership", "leakage")
    tables = measure_tables(inputs.plots.get("quality/measures"), groups)
    tables += detail_tables(inputs.plots, "privacy")
    rows = closest_rows(inputs.plots.get("quality/closest"))
    sources = {"quality": "All measures of the records"}
    section = _section("privacy", "Privacy", lead, inputs, sources, figures, tables, rows)
    # All measures stand in the section before.
    return replace(section, tables=tables)


def learning_section(inputs: Inputs) -> ReportSection:
    """Return what the records are worth to a classifier of real trials."""
    lead = (
        "Classifiers trained on each mix of records, all scored on the same real trials that nothing before "
        "has seen."
    )
    primary = inputs.metrics.get("score", {}).get("primary.model")
    rows = {
        name: order_arms(table, primary)
        for name, table in inputs.plots.items()
        if name.startswith("learning/") and name != "learning/comparisons"
    }
    arms = rows.get("learning/arms")
    figures = (
        ("score.always_yes.base_rate", "base rate", "share of successes in the test", "share"),
        ("score.always_yes.accuracy", "always yes: accuracy", "what no learning gets", "share"),
        (
            "score.zeroshot.roc_auc",
            "generator asked outright",
            "ROC-AUC; above 0.5 it knows outcomes",
            "score",
        ),
        (
            "score.unseen_interventions.trials",
            "test trials of unseen drugs",
            "no synthetic trial has them",
            "",
        ),
    )
    tables = [*arm_table(arms), *arm_words(arms)]
    return _section("learning", "Learning", lead, inputs, {"score": "All scores"}, figures, tables, rows)


def provenance_section(inputs: Inputs, software: Mapping[str, str]) -> ReportSection:
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
        "Everything that decides this page. Its git commit is not here, as a commit can't hold its own name: "
        "git log -1 -- dvc.lock shows it. The dvc.lock of that commit holds the hash of every input of every "
        "stage, the code among them."
    )
    return ReportSection("provenance", "Provenance", lead, tables=tables)


def _plain(value: Any) -> Cell:
    return value if isinstance(value, str) else json.dumps(value)


def _models(inputs: Inputs) -> list[tuple[str, str, str]]:
    columns = ["model", "engine", "model_digest"]
    generated = inputs.tables.get("generated")
    models: list[tuple[str, str, str]] = []
    if generated is not None and set(columns) <= set(generated.columns):
        models += sorted(generated.select(columns).drop_nulls().unique().iter_rows())
    if inputs.encoder:
        used = inputs.params.get("embedding", {})
        models.append((used.get("model", ""), f"vectors: {used.get('backend', '')}", inputs.encoder))
    return models


def build_sections(inputs: Inputs, software: Mapping[str, str]) -> list[ReportSection]:
    """Return the sections of the page in reading order."""
    return [
        data_section(inputs),
        retrieval_section(inputs),
        quality_section(inputs),
        privacy_section(inputs),
        learning_section(inputs),
        cost_section(inputs),
        provenance_section(inputs, software),
    ]
