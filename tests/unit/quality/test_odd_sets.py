"""Sets of other tools: without text, of one record or one prompt, with labels and names of their own."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.unit.quality.sections import VALIDATION
from trialforge.app.record_sets import name_alike, read_set
from trialforge.core.errors import ArtifactError, GateError, MetricError
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.copies import copied_fields, copies_table, largest_excess, worst_copies
from trialforge.quality.diversity import near_copy_share, pairwise_distance, self_bleu
from trialforge.quality.gates import check_gates, find_broken
from trialforge.quality.memorisation import overlap_table
from trialforge.quality.params import GateParams, QualityParams
from trialforge.quality.tells import telling_views
from trialforge.trial.words import split_words

Parts = dict[str, pl.DataFrame]


def make_case(records: pl.DataFrame, parts: Parts, params: QualityParams) -> Case:
    scale = build_scale(("title",), parts["train"], params, VALIDATION, 1)
    return Case(*(Side(frame, scale) for frame in (records, parts["train"], parts["validation"])))


def test_a_gate_on_a_measure_without_a_value_is_broken_and_says_why() -> None:
    gates, notes = {"membership.gain": GateParams(max=0.1)}, {"membership.gain": "no exemplars"}
    (broken,) = find_broken({}, gates, notes)
    assert broken.value is None
    with pytest.raises(GateError, match=r"membership\.gain +- no exemplars"):
        check_gates({}, gates, dict, notes)
    with pytest.raises(MetricError, match="not measured"):
        find_broken({}, gates)


def test_records_without_text_copy_nothing_and_have_no_figure(parts: Parts, params: QualityParams) -> None:
    frame = parts["synthetic"].head(4)
    absent = frame.clear().select("nct_id", "source", "conditions").columns
    records = frame.with_columns(
        pl.lit(None, frame.schema[name]).alias(name) for name in frame.columns if name not in absent
    )
    for empty in (records, records.with_columns(title=pl.lit(" - "))):
        case = make_case(empty, parts, params)
        for measure in (copied_fields, largest_excess):
            with pytest.raises(MetricError, match="no record has a text"):
                measure(case)
        assert worst_copies(case) == []


def test_a_set_that_one_prompt_made_is_drawn_by_record(parts: Parts, params: QualityParams) -> None:
    """All draws of one exemplar set are the set itself: no interval would have a width, no leak be sure."""
    exemplars = pl.lit(parts["train"]["nct_id"].head(3).to_list())
    told = pl.when(label=1).then(pl.concat_str("summary", pl.lit(" Hopeful."))).otherwise("summary")
    records = parts["synthetic"].with_columns(exemplars=exemplars, summary=told)
    case = make_case(records, parts, params)
    for measure in (self_bleu, largest_excess):
        found = measure(case)
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.value < found.high
    assert "words" in telling_views(case)


def test_a_single_record_is_like_no_other(parts: Parts, params: QualityParams) -> None:
    case = make_case(parts["synthetic"].head(1), parts, params)
    assert near_copy_share(case).low is None
    for table in (overlap_table(case).filter(set="synthetic"), copies_table(case)):
        assert table["low"].null_count() == len(table)
    for measure in (pairwise_distance, self_bleu):
        with pytest.raises(MetricError, match="no other"):
            measure(case)


def test_accents_and_hidden_characters_make_no_other_word() -> None:
    written = ["Na\u00efve pa\u00adtients", "Nai\u0308ve pati\u200bents", "\uff2eaive \ufb01rst"]
    found = split_words(pl.Series(written)).to_list()
    assert found == [["naive", "patients"], ["naive", "patients"], ["naive", "first"]]


@pytest.mark.parametrize("label", [-1.0, 0.7, 2.0])
def test_a_label_that_is_none_is_refused_and_not_cut_to_one(label: float, tmp_path: Path) -> None:
    path = tmp_path / "theirs.parquet"
    records = pl.DataFrame({"title": ["One", "Two", "Three"], "label": [1.0, float("nan"), label]})
    records.head(2).write_parquet(path)
    assert read_set(str(path))["label"].to_list() == [1, None]
    records.write_parquet(path)
    with pytest.raises(ArtifactError, match=f"`label` must be 0 or 1, got {label:g}"):
        read_set(str(path))


def test_interventions_of_other_tools_are_named_as_those_of_the_run(parts: Parts) -> None:
    listed = [["Placebo", "Aspirin 100 mg tablets"], ["ASPIRIN"], []]
    records = parts["synthetic"].head(3).drop("normalized_interventions")
    things = [
        [{"type": None, "name": name, "description": None, "other_names": []} for name in names]
        for names in listed
    ]
    records = records.with_columns(pl.Series("interventions", things, records.schema["interventions"]))
    named = name_alike(records, parts["train"])
    assert named["normalized_interventions"].to_list() == [["placebo", "aspirin"], ["aspirin"], []]
    assert named["nct_id"].equals(records["nct_id"])


def test_records_of_one_intervention_or_one_exemplar_set_stay_in_one_fold(
    parts: Parts, params: QualityParams
) -> None:
    records = (
        parts["synthetic"]
        .head(6)
        .with_columns(
            normalized_interventions=pl.Series([["a"], ["a"], ["b"], ["c"], ["d"], ["d"]]),
            exemplars=pl.Series([["NCT1"], ["NCT2"], ["NCT2"], ["NCT3"], ["NCT4"], ["NCT5"]]),
        )
    )
    families = make_case(records, parts, params).candidates.families.to_list()
    assert families[0] == families[1] == families[2]
    assert families[4] == families[5]
    assert len(set(families)) == 3
    one_prompt = records.with_columns(exemplars=pl.lit(["NCT1", "NCT2"]))
    assert make_case(one_prompt, parts, params).candidates.families.n_unique() == 4
