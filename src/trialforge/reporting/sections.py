"""The sections of the report, each built from the metrics and plots of its stages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from trialforge.core.files import flatten
from trialforge.reporting.blocks import Cell, Figure, ReportSection, Table, metric_table
from trialforge.reporting.inputs import Inputs
from trialforge.reporting.pictures import build_plots
from trialforge.reporting.shapes import funnel_rows, histogram_rows, reason_rows
from trialforge.reporting.summaries import (
    agreement_table,
    arm_table,
    arm_words,
    comparison_table,
    count_table,
    detail_tables,
    matching_table,
    measure_tables,
    mode_rows,
    order_arms,
    point_rows,
    rate_table,
    view_rows,
    year_rows,
)

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
    words: Sequence[str] = (),
) -> ReportSection:
    """Return a section: figures, its pictures of plots/ and `rows`, a table for each file of `sources`.

    A source without a caption has its table in another section. `words` names sentences of metrics/ to quote.
    """
    measured = inputs.measured
    shown = [
        Figure(label, _form(measured[name], form), note)
        for name, label, note, form in figures
        if measured.get(name) is not None
    ]
    files = [
        metric_table(caption, inputs.metrics[stage])
        for stage, caption in sources.items()
        if caption and inputs.metrics.get(stage)
    ]
    told = [str(measured[name]) for name in words if measured.get(name)]
    notes = told if any(map(inputs.metrics.get, sources)) else ["Not measured in this run."]
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
    """Return which trials the run used and how they were split."""
    lead = (
        "The real side of every comparison. Before anything else reads the trials, they are labelled, "
        "cleared of people's names and of words that reveal the outcome, and split."
    )
    figures = (
        ("ingest.trials", "trials read", "", ""),
        ("ingest.refused.total", "records or values refused", "each with its reason", ""),
        ("ingest.label_rate.all.labelled", "trials with a label", "", ""),
        ("ingest.label_rate.all.success", "successes among them", "", "share"),
        ("ingest.p_value.unreadable", "unreadable posted p-values", "their source gives no label", ""),
        ("ingest.label_table.csv.unmatched", "label table: ids without a trial", "", ""),
        ("ingest.label_table.csv.trials_without", "label table: trials without a row", "", ""),
        (
            "split.leakage.presence_auc",
            "label predicted from filled fields alone",
            "ROC-AUC on train",
            "score",
        ),
        ("split.leakage.fields_dropped", "fields dropped because their presence reveals the label", "", ""),
        ("split.shift.gap_years", "years from train to test", "between median start dates", ""),
        ("split.train.trials", "training trials", "the pool of exemplars", ""),
        ("split.validation.trials", "validation trials", "for thresholds and early stopping", ""),
        ("split.test.trials", "test trials", "unseen until the end", ""),
        ("split.dropped.trials", "dropped", "they straddle the cut or repeat across parts", ""),
    )
    ingest = inputs.metrics.get("ingest", {})
    tables = [
        *count_table(ingest, "label", "Outcome labels", "Label"),
        *count_table(ingest, "phase", "Phases", "Phase"),
        *count_table(ingest, "stop_reason", "Why trials stopped", "Reason"),
        *count_table(ingest, "source", "Formats of the records", "Format"),
        *count_table(ingest, "left_out", "Trials left out", "Reason"),
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
    """Return how well the search works."""
    lead = "How well the search finds a trial from a part of its text, and trials of the same condition."
    figures = (
        ("retrieval.exemplars.targets", "targets", "", ""),
        ("retrieval.exemplars.distinct_trials", "distinct exemplars", "real trials shown to the model", ""),
        ("retrieval.exemplars.targets_short", "targets with too few exemplars", "", ""),
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
    """Return what the language model was asked, what it answered and what it cost."""
    lead = (
        "What the language model was asked, what it answered and what it cost, in calls and tokens. This "
        "page shows no times, because times vary and its bytes must not. To see the times "
        "of the last run on this machine, run: trialforge doctor"
    )
    sources = {
        "reasoning": "All counts of reasons",
        "generation": "All counts of calls and answers",
        "validation": "All counts of validation",
    }
    figures = (
        ("generation.targets", "records requested", "", ""),
        ("validation.acceptance_rate", "drafts accepted", "by validation", "share"),
        ("generation.retries", "retries", "after a faulty answer", ""),
        ("generation.given_up", "given up", "after every retry", ""),
        ("generation.first_try_accepted_share", "accepted at the first try", "share of the records", "share"),
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
    return [Figure("tokens per accepted record", round(written / accepted), "written; reasons not counted")]


def power_section(inputs: Inputs) -> ReportSection:
    """Return what the test could have detected."""
    lead = (
        "If a classifier learns nothing from real trials alone, there is nothing to improve on. And a test "
        "that finds no benefit from more real trials can't show one from synthetic trials either. So the "
        "positive control adds as many real trials as there are synthetic ones; nothing else has read them."
    )
    figures = (
        ("score.assay.sensitive", "more real trials help", "the positive control", ""),
        ("score.primary.detectable", "minimum detectable effect", "at the declared power", "score"),
        ("score.test.trials", "real test trials", "no classifier or prompt of a draft saw them", ""),
        ("score.test.interventions", "their interventions", "each forms a cluster", ""),
        ("score.always_yes.base_rate", "base rate", "share of successes in the test", "share"),
        (
            "ingest.simulated_best_roc_auc",
            "best possible ROC-AUC",
            "known because the corpus is simulated",
            "score",
        ),
    )
    title, words = "Could the test have shown anything?", ["score.real_alone.words", "score.assay.words"]
    section = _section("power", title, lead, inputs, {"score": ""}, figures, words=words)
    return replace(section, figures=[*_real_alone(inputs), *section.figures])


def _real_alone(inputs: Inputs) -> list[Figure]:
    score = inputs.metrics.get("score", {})
    value, low, high = (score.get(f"real_alone.{name}") for name in ("value", "low", "high"))
    if value is None:
        return []
    note = f"interval {_form(low, 'score')} to {_form(high, 'score')}; 0.5 is chance"
    return [Figure("real trials alone, ROC-AUC", _form(value, "score"), note)]


def real_section(inputs: Inputs) -> ReportSection:
    """Return what more real trials add, whole and in the form of a draft."""
    lead = (
        "What held-back real trials add, as many as there are synthetic ones: first whole, then cut to what "
        "a draft holds. The latter is the most that drafts of this form could add."
    )
    comparisons = inputs.plots.get("learning/comparisons")
    tables = comparison_table(comparisons, "positive control", "More real trials instead of synthetic ones")
    return _section("real", "Did real data help?", lead, inputs, {"score": ""}, tables=tables)


def synthetic_section(inputs: Inputs) -> ReportSection:
    """Return what the records add to a classifier of real trials."""
    lead = (
        "Classifiers trained on each mix of trials, all scored on the same real test trials, which nothing "
        "has read before."
    )
    primary = inputs.metrics.get("score", {}).get("primary.model")
    rows = {
        name: order_arms(table, primary)
        for name, table in inputs.plots.items()
        if name.startswith("learning/") and name != "learning/comparisons"
    }
    arms = rows.get("learning/arms")
    figures = (
        (
            "score.unseen_interventions.trials",
            "test trials of unseen drugs",
            "in no synthetic trial",
            "",
        ),
    )
    tables = [*arm_table(arms, rows.get("learning/base-rates")), *arm_words(arms)]
    words = ("score.primary.words", "score.label_shares.words")
    title = "Did the synthetic trials help?"
    return _section("synthetic", title, lead, inputs, {"score": "All scores"}, figures, tables, rows, words)


def decisions_section(inputs: Inputs) -> ReportSection:
    """Return what decisions by the predictions would gain, and whether the predictions are calibrated."""
    lead = (
        "What decisions by predicted probability would gain, compared with decisions that need no model: "
        "take all trials, or go by the share of successes in their phase or therapeutic area among training "
        "trials."
    )
    score = inputs.metrics.get("score", {})
    names = ("learning/net-benefit", "learning/calibration-by-phase")
    shown = ["all", "rate of its phase", "rate of its area", "real", "synthetic", score.get("primary.arm")]
    rows = {
        name: order_arms(inputs.plots[name], score.get("primary.model")).filter(pl.col("arm").is_in(shown))
        for name in names
        if name in inputs.plots and "arm" in inputs.plots[name].columns
    }
    title = "Would it make better decisions?"
    return _section("decisions", title, lead, inputs, {"score": ""}, rows=rows)


def rivals_section(inputs: Inputs) -> ReportSection:
    """Return the synthetic trials compared with controls that cost nothing."""
    lead = "What needs no language model: the same real trials again, or with words removed."
    figures = (
        ("score.zeroshot.roc_auc", "generator asked outright", "ROC-AUC on test trials", "score"),
        ("score.zeroshot.low", "lower end of its interval", "above 0.5 it knows outcomes", "score"),
    )
    comparisons = inputs.plots.get("learning/comparisons")
    tables = comparison_table(comparisons, "control", "Synthetic trials compared with each control")
    title, words = "Do they beat cheap alternatives?", ["score.zeroshot.words"]
    return _section("rivals", title, lead, inputs, {"score": ""}, figures, tables, words=words)


def fidelity_section(inputs: Inputs) -> ReportSection:
    """Return how the records differ from real trials, and from each other."""
    lead = (
        "A classifier tries to distinguish records from real trials by form (filled fields, counts, "
        "lengths), style (function words, punctuation, case, layout) and content (all other words). For "
        "comparison, it does the same with held-back real trials, whole and in the form of a draft."
    )
    figures = (
        ("quality.fidelity.form_auc", "distinguishable by form", "ROC-AUC; 0.5 is chance", "score"),
        ("quality.fidelity.style_auc", "distinguishable by style", "", "score"),
        ("quality.fidelity.content_auc", "distinguishable by content", "", "score"),
        (
            "quality.fidelity.label_fidelity",
            "requested label recognised",
            "ROC-AUC within interventions; 0.5 is chance",
            "score",
        ),
        ("quality.fidelity.label_fidelity_real", "the same for real trials", "", "score"),
        ("quality.fidelity.label_fidelity_true", "by the true model", "the corpus is simulated", "score"),
        ("quality.leakage.words_gap", "label revealed by words", "ROC-AUC minus that of real text", "score"),
    )
    measures = inputs.plots.get("quality/measures")
    tables = measure_tables(measures, ("fidelity", "diversity", "leakage"))
    tables += matching_table(inputs.plots.get("quality/matching"))
    tables += detail_tables(inputs.plots, "fidelity")
    rows = point_rows(inputs.plots.get("quality/picture")) | view_rows(measures)
    sources = {"quality": "All measures of the records"}
    title = "How do they differ from real trials?"
    section = _section("fidelity", title, lead, inputs, sources, figures, tables, rows)
    return replace(section, notes=[*section.notes, *_fields_alone(inputs), *_drawn(inputs)])


def _fields_alone(inputs: Inputs) -> list[str]:
    measured = inputs.measured
    sides = {"real": "Only real trials fill", "synthetic": "Only synthetic trials fill"}
    named = {side: measured.get(f"quality.fidelity.fields_of_{side}_alone") for side in sides}
    return [f"{words}: {named[side]}." for side, words in sides.items() if named[side]]


def _drawn(inputs: Inputs) -> list[str]:
    """Return a note if the measures read only a sample of the real trials."""
    parts = ("train", "validation", "test", "held_back")
    drawn = {part: inputs.measured.get(f"quality.drawn.{part}") for part in parts}
    told = [f"{sizes} of {part.replace('_', '-')}" for part, sizes in drawn.items() if sizes]
    if not told:
        return []
    return [
        f"The measures read a random sample of the real trials: {', '.join(told)}. Copies are looked for in "
        "this sample and in each record's exemplars."
    ]


def copies_section(inputs: Inputs) -> ReportSection:
    """Return what the records repeat from real trials."""
    lead = (
        "How much of the records also occurs in real trials, compared with what real trials share with each "
        "other. These measures find only what they look for; they prove nothing about other copying."
    )
    figures = (
        (
            "quality.copies.largest_excess",
            "most copied field",
            "copied share minus that of real trials",
            "share",
        ),
        ("quality.memorisation.longest_ngram", "longest copied n-gram", "words, from a training trial", ""),
        ("quality.memorisation.any_100", "shared 100-grams", "share of records with one", "share"),
        ("quality.privacy.copies", "near-copies", "share of records, minus that of held-out trials", "share"),
    )
    tables = measure_tables(inputs.plots.get("quality/measures"), ("copies", "memorisation"))
    tables += detail_tables(inputs.plots, "copies")
    return _section("copies", "Were they copied?", lead, inputs, {"quality": ""}, figures, tables)


def membership_section(inputs: Inputs) -> ReportSection:
    """Return what an attacker could learn from the records."""
    lead = (
        "What someone who has the synthetic trials can find out about the real ones: which of them the model "
        "was shown, and which of their words it revealed."
    )
    figures = (
        ("quality.membership.gain", "membership attack", "ROC-AUC gained over the target alone", "score"),
        ("quality.privacy.rare_words", "rare words revealed", "share of records with one", "share"),
        ("quality.leakage.held_out_ids", "ids of held-out trials", "in records, exemplars or reasons", ""),
    )
    tables = measure_tables(inputs.plots.get("quality/measures"), ("privacy", "membership"))
    tables += detail_tables(inputs.plots, "membership")
    title = "Which trials do they reveal?"
    return _section("membership", title, lead, inputs, {"quality": ""}, figures, tables)


def provenance_section(inputs: Inputs, software: Mapping[str, str]) -> ReportSection:
    """Return what this page was made from: parameters, files, models, software."""
    models = _models(inputs)
    parameters = [(name, _plain(value)) for name, value in flatten(inputs.params).items()]
    tables = [
        *([Table("Models", ("Model", "Engine", "Digest"), models)] if models else []),
        Table("Parameters", ("Parameter", "Value"), parameters, closed=True),
        Table("Files read", ("File", "SHA-256"), sorted(inputs.hashes.items()), closed=True),
        Table("Software", ("Package", "Version"), sorted(software.items()), closed=True),
    ]
    lead = (
        "Everything that determines this page. Its git commit is not listed, because a commit can't contain "
        "its own hash; to see it, run: git log -1 -- dvc.lock. The dvc.lock of that commit has the hash of "
        "every input of every stage, including the code."
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


def funnel_section(inputs: Inputs) -> ReportSection:
    """Return what became of each target."""
    lead = "What was requested, what the model wrote, and what was kept."
    rejections = inputs.plots.get("validation/rejections")
    rows = funnel_rows(inputs.metrics)
    rows |= reason_rows(inputs.metrics, inputs.tables.get("generated"), rejections)
    return _section("funnel", "Targets to records", lead, inputs, {"generation": ""}, rows=rows)


def shapes_section(inputs: Inputs) -> ReportSection:
    """Return counts and lengths of synthetic and real trials."""
    lead = (
        "Counts and lengths of synthetic trials and of the training trials. A draft has limits of its own, "
        "so its text and lists are shorter than those of most registered trials."
    )
    rows = histogram_rows(inputs.tables)
    return _section("shapes", "Counts and lengths", lead, inputs, {"validation": ""}, rows=rows)


def build_sections(inputs: Inputs, software: Mapping[str, str]) -> list[ReportSection]:
    """Return the sections of the page in reading order."""
    return [
        power_section(inputs),
        real_section(inputs),
        synthetic_section(inputs),
        rivals_section(inputs),
        decisions_section(inputs),
        *record_sections(inputs),
        data_section(inputs),
        retrieval_section(inputs),
        funnel_section(inputs),
        shapes_section(inputs),
        cost_section(inputs),
        provenance_section(inputs, software),
    ]


def record_sections(inputs: Inputs) -> list[ReportSection]:
    """Return the sections about the records themselves, which any tool may have made."""
    return [fidelity_section(inputs), copies_section(inputs), membership_section(inputs)]
