"""Leaks that are planted are read as such, and what leaks nothing is not flagged."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.unit.quality.real_parts import find_shared, on_corpora, read_parts
from tests.unit.quality.sections import VALIDATION
from trialforge.core.errors import MetricError
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.leaks import held_out_ids, named_held_out, outcome_share, outcome_table
from trialforge.quality.params import QualityParams
from trialforge.quality.probe import certain_gaps, flagged_gaps, judge_gap, label_words, probe_table
from trialforge.quality.registry import METRICS
from trialforge.quality.tells import find_tells, telling_features, telling_views, tells_table
from trialforge.simulation.corpus import simulate
from trialforge.trial.leakage import registration_view
from trialforge.trial.text import filled_fields

pytestmark = pytest.mark.slow

Parts = dict[str, pl.DataFrame]
HOPE = "promising benefit strong rationale bright outlook"
LEAKS = {
    "title": pl.concat_str("title", pl.lit(f" {HOPE}")).alias("title"),
    "words": pl.concat_str("summary", pl.lit(f" {HOPE}, {HOPE}: lasting remission durable cure")).alias(
        "summary"
    ),
    "style": pl.concat_str("summary", pl.lit(" (i); (ii); (iii); (iv)")).alias("summary"),
}


def make_case(records: pl.DataFrame, parts: Parts, params: QualityParams) -> Case:
    scale = build_scale(filled_fields(parts["train"]), parts["train"], params, VALIDATION, 1)
    sides = (Side(frame, scale) for frame in (records, parts["train"], parts["validation"], parts["test"]))
    return Case(*sides)


def leak(frame: pl.DataFrame, view: str) -> pl.DataFrame:
    """Records that tell label 1 by what one view reads."""
    return frame.with_columns(
        pl.when(pl.col("label") == 1).then(LEAKS[view]).otherwise(LEAKS[view].meta.root_names()[0])
    )


@pytest.mark.parametrize("view", LEAKS)
def test_a_planted_leak_of_the_label_opens_the_gap_of_its_view(
    view: str, parts: Parts, params: QualityParams
) -> None:
    case = make_case(leak(parts["test"], view), parts, params)
    table = probe_table(case).filter(view=view)
    assert table.filter(set="synthetic")["auc"].item() > 0.95
    # Labels of real trials, given by turns, are told by nothing.
    assert METRICS[f"leakage.{view}_gap"].measure(case).value > 0.3
    assert table["flagged"].all()
    assert set(table["verdict"]) == {"above"}
    assert flagged_gaps(case).value >= certain_gaps(case).value >= 1
    if view in ("title", "words"):
        heaviest = label_words(case).filter(set="synthetic", view=view, label=1)["word"][0]
        assert set(heaviest.split()) <= set(HOPE.split()) | {"lasting", "remission", "durable", "cure"}


@pytest.mark.parametrize("view", LEAKS)
def test_what_real_trials_tell_as_well_is_no_leak(view: str, parts: Parts, params: QualityParams) -> None:
    told = parts | {"train": leak(parts["train"], view)}
    gap = METRICS[f"leakage.{view}_gap"].measure(make_case(leak(parts["test"], view), told, params))
    assert gap.value == pytest.approx(0, abs=0.05)


def test_records_that_are_the_real_trials_have_no_gap_and_no_flag(
    parts: Parts, params: QualityParams
) -> None:
    case = make_case(parts["train"], parts, params)
    for view in LEAKS:
        assert METRICS[f"leakage.{view}_gap"].measure(case).value == 0
    assert flagged_gaps(case).value == certain_gaps(case).value == 0


def test_few_records_that_are_told_by_nothing_are_not_above(parts: Parts, params: QualityParams) -> None:
    """As the default run had it: of 11 records a classifier ranked all right, of 11 trials none."""
    stream = np.random.default_rng(4)
    above = 0
    for _ in range(12):
        few = [frame.sample(11, seed=int(stream.integers(999))) for frame in (parts["test"], parts["train"])]
        few = [one.with_columns(label=pl.Series(stream.permutation([0, 1] * 6)[:11])) for one in few]
        scale = build_scale(("title",), parts["train"], params, VALIDATION, 1)
        case = Case(*(Side(one, scale) for one in few))
        gaps = [METRICS[f"leakage.{view}_gap"].measure(case) for view in ("form", "style")]
        above += sum(judge_gap(gap, 0.05) == "above" for gap in gaps)
    assert above <= 1


def test_ids_of_held_out_trials_are_found_wherever_they_stand(parts: Parts, params: QualityParams) -> None:
    hidden = [parts["validation"]["nct_id"][0], *parts["test"]["nct_id"].head(2)]
    records = (
        parts["synthetic"]
        .head(4)
        .with_columns(
            summary=pl.Series(
                [f"As in {hidden[0]}.", "As in none.", f"As {parts['train']['nct_id'][0]}.", ""]
            )
        )
    )
    case = make_case(records, parts, params)
    assert (held_out_ids(case).value, named_held_out(case)) == (1, hidden[:1])
    exemplars = pl.DataFrame({"target_id": ["T1"], "exemplars": [[hidden[1]]]})
    reasons = pl.DataFrame({"reasons": [[{"text": f"See {hidden[2]}", "citations": []}]]})
    case = Case(case.candidates, case.reference, case.held_out, case.unseen, exemplars, reasons)
    assert (held_out_ids(case).value, set(named_held_out(case))) == (3, set(hidden))
    clean = make_case(parts["synthetic"], parts, params)
    assert held_out_ids(clean).value == 0
    written = hidden[0].lower().replace("sim", "sim: ")
    told = make_case(parts["synthetic"].head(1).with_columns(summary=pl.lit(f"As {written}.")), parts, params)
    assert named_held_out(told) == hidden[:1]


def test_told_outcomes_are_counted_by_rule_and_by_who_wrote_them(parts: Parts, params: QualityParams) -> None:
    told = "The study was terminated early because of slow accrual."
    records = (
        parts["synthetic"]
        .head(5)
        .with_columns(
            summary=pl.Series(
                [f"A trial. {told}", f"{told} {told}", "The trial will run for a year.", "", told]
            ),
            model=pl.Series(["one", "one", "one", "two", "two"]),
            arm=pl.lit("retrieval-reasoning"),
        )
    )
    case = make_case(records, parts, params)
    assert outcome_share(case).value == pytest.approx(3 / 5)
    table = outcome_table(case).filter(pl.col("records") > 0)
    # A record counts once for a rule, however often it tells.
    assert dict(table.group_by("model").agg(pl.col("records").max()).iter_rows()) == {"one": 2, "two": 1}
    assert outcome_share(make_case(parts["synthetic"], parts, params)).value == 0
    assert outcome_table(make_case(parts["synthetic"], parts, params))["records"].sum() == 0


def load_corpus(name: str, request: pytest.FixtureRequest) -> pl.DataFrame:
    """Trials of a corpus with criteria, labelled by turns, so that no text tells a real label."""
    found = read_parts(name, find_shared(name, request))
    trials = pl.concat([found["train"], found["test"]]).filter(pl.col("criteria").is_not_null())
    return trials.sample(fraction=1, shuffle=True, seed=1).with_columns(
        label=pl.int_range(pl.len(), dtype=pl.Int64) % 2
    )


ITEMS = pl.col("criteria").str.split("\n")
# What is planted in records of label 1, and what must be named.
PLANTED = {
    "a form": ITEMS.list.head(ITEMS.list.len() // 2).list.join("\n").alias("criteria"),
    "a word": pl.concat_str("criteria", pl.lit("\n- Promising")).alias("criteria"),
    "a field": pl.lit(["medicine"]).alias("keywords"),
}
NAMED = {
    ("words", "criteria", "word 'promising'"),
    ("form", "criteria", "characters, more"),
    ("form", "keywords", "filled"),
}


def tell(records: pl.DataFrame, planted: pl.Expr) -> pl.DataFrame:
    field = planted.meta.output_name()
    return records.with_columns(
        pl.when(pl.col("label") == 1).then(planted).otherwise(pl.col(field)).alias(field)
    )


@on_corpora
def test_what_tells_the_label_is_flagged_in_200_records_of_every_corpus(
    corpus: str, request: pytest.FixtureRequest, params: QualityParams
) -> None:
    trials = load_corpus(corpus, request)
    scale = build_scale(("title", "criteria"), trials.head(50), params, VALIDATION, 1)
    real = Side(trials[200:500], scale)
    records = trials[:200].with_columns(keywords=pl.lit([], pl.List(pl.String)))
    clean = Case(Side(records, scale), real)
    assert telling_features(clean).value == 0, tells_table(clean).filter("certain").to_dicts()
    assert telling_views(clean) == set()
    for planted in PLANTED.values():
        records = tell(records, planted)
    case = Case(Side(records, scale), real)
    found = find_tells(case).filter("certain").select("view", "field", "feature").rows()
    # What is longer has more characters, words or lines: which of them is surest depends on the corpus.
    longer = ("form", "criteria", "characters, more")
    assert set(found) >= NAMED - {longer}
    assert any((view, field) == longer[:2] for view, field, _ in found)
    assert telling_views(case) >= {"form", "words"}
    assert set(tells_table(case)["view"]) >= {"form", "words"}


HIDDEN = {
    "a mark": ("style", pl.concat_str(pl.col("summary").str.strip_chars("."), pl.lit(" .")).alias("summary")),
    "an order": ("form", ITEMS.list.reverse().list.join("\n").alias("criteria")),
    "a length": ("form", pl.col("detailed_description").str.slice(0, 90)),
    "a pair of words": (
        "words", pl.col("criteria").str.replace_all("Participation in", "Participation at present in")
    ),
    "a value": ("form", pl.lit("Quadruple").alias("masking")),
    "a type of arm": (
        "form", pl.col("arms").list.eval(pl.element().struct.with_fields(type=pl.lit("Sham Comparator")))
    ),
    "another name": (
        "words",
        pl.col("interventions").list.eval(pl.element().struct.with_fields(other_names=pl.lit(["hopeful"]))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HIDDEN)
def test_a_leak_in_a_mark_an_order_a_length_a_pair_or_a_value_is_named(
    kind: str, params: QualityParams
) -> None:
    trials = load_simulated()
    view, planted = HIDDEN[kind]
    scale = build_scale(("title",), trials.head(50), params, VALIDATION, 1)
    case = Case(Side(tell(trials[:150], planted), scale), Side(trials[150:400], scale))
    assert view in telling_views(case), tells_table(case)


@pytest.mark.parametrize("kind", ["more are planned", "an odd number is planned", "an odd number is listed"])
def test_a_leak_in_numbers_that_hardly_two_records_share_is_named(kind: str, params: QualityParams) -> None:
    trials = load_simulated()
    labels, stream = trials["label"].head(200).to_numpy(), np.random.default_rng(1)
    if kind == "more are planned":
        planted = pl.Series("enrolment_planned", labels * 2000 + stream.integers(20, 2000, 200))
    elif kind == "an odd number is planned":
        planted = pl.Series("enrolment_planned", stream.integers(10, 1000, 200) * 2 + labels)
    else:
        lists = [["- Adults"] * number for number in stream.integers(2, 12, 200) * 2 + labels]
        planted = pl.Series("criteria", lists).list.join("\n")
    scale = build_scale(("title",), trials.head(50), params, VALIDATION, 1)
    case = Case(Side(trials.head(200).with_columns(planted), scale), Side(trials.tail(200), scale))
    assert "form" in telling_views(case), tells_table(case)


def load_simulated() -> pl.DataFrame:
    trials = registration_view(simulate(400, 5))
    return trials.with_columns(label=pl.int_range(pl.len(), dtype=pl.Int64) % 2)


def test_records_of_one_exemplar_set_are_no_independent_ones(params: QualityParams) -> None:
    """What all records of a few sets repeat is a leak only if many sets have it."""
    trials = load_simulated()
    scale = build_scale(("title",), trials.head(50), params, VALIDATION, 1)
    told = tell(trials[:150], LEAKS["title"])
    few = told.with_columns(
        exemplars=pl.concat_list(pl.format("NCT{}{}", "label", pl.int_range(pl.len()) % 3))
    )
    for records, flagged in ((told, {"title"}), (few, set())):
        assert telling_views(Case(Side(records, scale), Side(trials[150:400], scale))) & {"title"} == flagged


def test_labels_of_one_kind_alone_are_told_by_nothing(parts: Parts, params: QualityParams) -> None:
    case = make_case(parts["synthetic"].with_columns(label=pl.lit(1, pl.Int64)), parts, params)
    with pytest.raises(MetricError, match="both labels"):
        find_tells(case)
