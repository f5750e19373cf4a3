"""The words of the answer follow from the figures, never further."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from markupsafe import escape

from tests.unit.reporting import sample
from trialforge.core.files import flatten
from trialforge.quality.metric import Direction
from trialforge.quality.registry import METRICS
from trialforge.reporting.answer import NOT_MEASURED, build_answer, describe_corpus
from trialforge.reporting.blocks import ReportSection, format_cell, name_words
from trialforge.reporting.measures import MEASURES
from trialforge.reporting.params import ReportParams
from trialforge.reporting.pictures import build_plots
from trialforge.reporting.report import build_report
from trialforge.reporting.sections import build_sections
from trialforge.reporting.summaries import detail_tables, measure_tables, mode_rows, order_arms, view_rows


def answer(sensitive: bool | None = True, **score: Any) -> str:
    inputs = sample.make_inputs()
    measured = sample.SCORE | {f"primary.{name}": value for name, value in score.items()}
    measured |= {"assay.sensitive": sensitive}
    return build_answer(replace(inputs, metrics=inputs.metrics | {"score": measured})).headline


@pytest.mark.parametrize(
    ("verdict", "counts", "words"),
    [
        ("better", True, "Yes: synthetic trials helped"),
        ("better", False, "not shown to beat both controls"),
        ("worse", False, "No: synthetic trials made the predictions"),
        ("equivalent", False, "predicted equally well"),
        ("not shown", False, "Not shown: synthetic trials may have helped or harmed"),
    ],
)
def test_headline_follows_the_verdict(verdict: str, counts: bool, words: str) -> None:
    assert words in answer(verdict=verdict, counts=counts)


@pytest.mark.parametrize("verdict", ["better", "worse", "equivalent", "not shown"])
def test_where_real_trials_do_not_help_the_test_could_not_have_shown_a_benefit(verdict: str) -> None:
    said = answer(sensitive=False, verdict=verdict, counts=verdict == "better")
    assert said.startswith("This test could not have shown a benefit")


@pytest.mark.parametrize("verdict", ["better", "worse", "equivalent", "not shown"])
@pytest.mark.parametrize("sensitive", [True, False, None])
def test_where_real_trials_alone_teach_nothing_nothing_else_is_claimed(
    verdict: str, sensitive: bool | None
) -> None:
    inputs = sample.make_inputs()
    chance = {"real_alone.value": 0.52, "real_alone.low": 0.5, "real_alone.high": 0.54}
    score = sample.SCORE | chance | {"primary.verdict": verdict, "assay.sensitive": sensitive}
    said = build_answer(replace(inputs, metrics=inputs.metrics | {"score": score})).headline
    assert said.startswith("Real trials alone are not shown to beat chance")
    assert "says nothing about synthetic ones" in said


def test_what_real_trials_alone_teach_is_said_first() -> None:
    inputs = sample.make_inputs()
    assert build_answer(inputs).lines[0] == sample.SCORE["real_alone.words"]
    section = build_sections(inputs, {})[0]
    first = section.figures[0]
    assert (first.label, first.value) == ("real trials alone, ROC-AUC", "0.715")
    assert first.note == "interval 0.623 to 0.795; 0.5 is chance"
    assert section.notes[0] == sample.SCORE["real_alone.words"]


def test_a_gain_in_a_test_without_positive_control_is_not_called_one() -> None:
    assert "does not show that more real ones would help" in answer(
        sensitive=None, verdict="better", counts=False
    )


def test_nothing_is_claimed_before_anything_is_measured() -> None:
    inputs = replace(sample.make_inputs(), metrics={}, plots={}, tables={})
    assert build_answer(inputs).headline == NOT_MEASURED
    notes = [note for section in build_sections(inputs, {}) for note in section.notes]
    assert notes.count("Not measured in this run.") == 13


def test_effect_is_shown_with_sign_and_interval() -> None:
    figures = build_answer(sample.make_inputs()).figures
    assert (figures[0].value, figures[0].note) == ("+0.021", "interval −0.012 to +0.055")
    assert (figures[1].label, figures[1].value) == ("with more-real instead", "+0.070")


def test_real_and_simulated_sources_are_told_apart() -> None:
    assert "Simulated" in describe_corpus({"ingest": {"source": "simulated"}})
    assert "Real registry records" in describe_corpus({"ingest": {"source": "registry"}})


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "yes"), (12345, "12\u202f345"), (0.123456, "0.1235"), (-0.5, "−0.5")],
)
def test_format_cell(value: Any, text: str) -> None:
    assert format_cell(value) == text


def test_names_become_words() -> None:
    assert name_words("roc_auc.tfidf-logreg") == "ROC AUC, tfidf-logreg"


def test_flatten_joins_keys() -> None:
    assert flatten({"a": {"b": 1, "c": [2, 3]}}) == {"a.b": 1, "a.c.0": 2, "a.c.1": 3}


def test_a_plot_that_could_not_be_made_is_left_out() -> None:
    assert build_plots({"quality/cosines": pl.DataFrame({"note": ["too few"]})}, "fidelity") == []


def test_modes_are_read_from_metrics() -> None:
    rows = mode_rows(
        {"title.dense.mrr": 0.8, "title.dense.mrr.low": 0.7, "title.dense.mrr.high": 0.9, "other": 1}
    )
    assert rows.rows() == [("by title", "dense", 0.8, 0.7, 0.9)]


def test_measures_stand_beside_their_yardsticks() -> None:
    (table,) = measure_tables(sample.make_plots()["quality/measures"], ("fidelity", "diversity"))
    assert table.rows[0] == ("precision: records near a real trial", 0.8, 0.95, 0.1, "higher")
    assert "higher is better" in table.notes[0]
    page = build_report(sample.make_inputs(), ReportParams(max_records=10), "")
    assert f'near a real trial<span class="note">{escape(table.notes[0])}</span></th>' in page


BETTER = {
    Direction.HIGHER: "higher is better",
    Direction.LOWER: "lower is better",
    Direction.REAL: "best if ",
}


def test_each_measure_has_a_plain_name_and_a_sentence_that_says_what_is_good() -> None:
    in_the_row_of_another = {f"{name}{ending}" for name in METRICS for ending in ("_real", "_as_drafts")}
    shown = [metric for name, metric in METRICS.items() if name not in in_the_row_of_another]
    assert {metric.name for metric in shown} == set(MEASURES)
    assert len({words.name for words in MEASURES.values()}) == len(MEASURES)
    for metric in shown:
        name, sentence = MEASURES[metric.name]
        assert " " in name, metric.name
        assert BETTER[metric.direction] in sentence, metric.name
        assert (sentence[0].isupper(), sentence[-1]) == (True, ".")


def test_a_view_stands_beside_real_trials_whole_and_as_drafts() -> None:
    names = ["fidelity.form_auc", "fidelity.form_auc_real", "fidelity.form_auc_as_drafts"]
    columns = {"direction": "lower", "low": 0.4, "high": 0.6, "at_size": None, "ceiling": None, "worst": None}
    measures = pl.DataFrame({"metric": names, "value": [0.99, 0.52, 0.97]}).with_columns(
        pl.lit(value).alias(name) for name, value in columns.items()
    )
    (table,) = measure_tables(measures, ("fidelity",))
    (row,) = [dict(zip(table.headings, row, strict=True)) for row in table.rows]
    assert (row["Value"], row["Real trials"], row["Real as drafts"]) == (0.99, 0.52, 0.97)
    rows = view_rows(measures)["quality/views"]
    assert rows["set"].to_list() == ["synthetic", "real", "real as drafts"]
    inputs = sample.make_inputs()
    inputs = replace(inputs, plots=inputs.plots | {"quality/measures": measures})
    section = next(one for one in build_sections(inputs, {}) if one.key == "fidelity")
    assert section.plots[0].key == "quality-views"


def test_the_fields_that_one_side_has_alone_are_named() -> None:
    inputs = sample.make_inputs()
    told = {"fidelity.fields_of_real_alone": "keywords", "fidelity.fields_of_synthetic_alone": ""}
    found = build_sections(replace(inputs, metrics=inputs.metrics | {"quality": told}), {})
    section = next(one for one in found if one.key == "fidelity")
    assert section.notes == ["Only real trials fill: keywords."]


def test_each_question_has_its_comparisons() -> None:
    inputs = sample.make_inputs()
    roles = ["primary", "control", "positive control"]
    table = pl.concat([inputs.plots["learning/comparisons"].head(1)] * 3).with_columns(role=pl.Series(roles))
    found = build_sections(replace(inputs, plots=inputs.plots | {"learning/comparisons": table}), {})
    shown = {section.key: section.tables for section in found}
    assert [len(shown[key][0].rows) for key in ("real", "rivals")] == [1, 1]
    assert shown["rivals"][0].rows[0][3:] == (0.021, "−0.012 to 0.055", "not shown")


def test_arms_are_read_in_one_order_and_the_primary_classifier_first() -> None:
    table = pl.DataFrame({"model": ["a", "b", "b"], "arm": ["real", "augmented", "none"]})
    assert order_arms(table, "b").rows() == [("b", "none"), ("b", "augmented"), ("a", "real")]


def find_section(key: str) -> ReportSection:
    return next(section for section in build_sections(sample.make_inputs(), {}) if section.key == key)


def test_tables_that_no_picture_shows_are_closed_below_their_section() -> None:
    closed = {
        table.caption: table
        for key in ("fidelity", "copies")
        for table in find_section(key).tables
        if table.closed
    }
    words = closed["Words with the largest weights for each label"]
    assert words.rows == [
        ("synthetic", "title", "success", "cure (1.25), a cure (0.5)"),
        ("synthetic", "words", "failure", "pain (-2.0)"),
    ]
    leaks = closed["Records that reveal an outcome, by rule"]
    assert leaks.rows == [("early_end", "m", "a", 3), ("interim", None, None, 0)]
    planted = closed["Values of the measures with planted copies"]
    assert planted.rows[1] == (0.01, 0.01, 0.06, 100)
    assert {"Diversity by intervention and label", "All measures of the records"} <= set(closed)
    assert detail_tables({"quality/diversity": pl.DataFrame({"note": ["x"]})}, "fidelity") == []


def test_points_are_drawn_by_both_methods() -> None:
    plots = {plot.key: plot for plot in find_section("fidelity").plots}
    for key, x in (("quality-picture", "tsne_x"), ("quality-principal", "pca_x")):
        assert plots[key].spec["encoding"]["x"]["field"] == x
