"""Form, style and content are told apart, each by its own planted difference and by no other."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.unit.quality.sections import VALIDATION
from trialforge.core.resampling import Clusters
from trialforge.quality.case import Case
from trialforge.quality.label_fidelity import auc_within, label_table
from trialforge.quality.measurement import RunTables, build_case, name_fields
from trialforge.quality.metric import bootstrap_mean, jackknife_statistic
from trialforge.quality.params import QualityParams
from trialforge.quality.registry import METRICS
from trialforge.quality.twosample import roc_auc
from trialforge.quality.views import VIEWS, content_texts
from trialforge.simulation.corpus import simulate
from trialforge.simulation.model import success_probability
from trialforge.trial.draft_fields import WRITTEN_FIELDS
from trialforge.trial.draft_form import as_drafts
from trialforge.trial.leakage import registration_view

pytestmark = pytest.mark.slow

SUMMARY = pl.col("summary")
PLANTED = {
    "form": pl.lit([], pl.List(pl.String)).alias("keywords"),
    # As many characters and the same words.
    "style": SUMMARY.str.to_uppercase().str.replace_all(r"\.", ";"),
    # Words of as many letters, so that no length tells.
    "content": SUMMARY.str.replace_all("study", "piano").str.replace_all("people", "kitten"),
}


@pytest.fixture(scope="module")
def trials() -> pl.DataFrame:
    """Registration views of simulated trials in random order, labelled by the corpus's own model."""
    view = registration_view(simulate(900, 3))
    label = np.random.default_rng(1).random(900) < success_probability(view)
    names = pl.col("interventions").list.eval(pl.element().struct.field("name").str.to_lowercase())
    view = view.with_columns(label=pl.Series(label).cast(pl.Int64), normalized_interventions=names)
    return view.sample(fraction=1, shuffle=True, seed=1)


def make_case(records: pl.DataFrame, trials: pl.DataFrame, params: QualityParams) -> Case:
    """Records beside 500 train trials and 150 held-back ones."""
    held_back = trials[500:650]
    none = trials.clear()
    run = RunTables(trials[:500], none, none, held_back, as_drafts(held_back, WRITTEN_FIELDS))
    return build_case(records, run, params, VALIDATION, 1)


def measure(case: Case, name: str) -> float:
    return METRICS[f"fidelity.{name}"].measure(case).value


def test_real_trials_are_told_from_real_ones_by_no_view(trials: pl.DataFrame, params: QualityParams) -> None:
    case = make_case(trials[650:800], trials, params)
    for view in VIEWS:
        for of in ("", "_real"):
            found = METRICS[f"fidelity.{view}_auc{of}"].measure(case)
            assert found.low < 0.5 < found.high
            assert found.n == 300


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_tells_its_own_difference_and_no_other(
    view: str, trials: pl.DataFrame, params: QualityParams
) -> None:
    case = make_case(trials[650:800].with_columns(PLANTED[view]), trials, params)
    found = {other: measure(case, f"{other}_auc") for other in VIEWS}
    assert found.pop(view) > 0.75
    assert max(found.values()) < 0.6


def test_drafts_stand_beside_what_the_form_of_a_draft_does_to_real_trials(
    trials: pl.DataFrame, params: QualityParams
) -> None:
    case = make_case(as_drafts(trials[650:800], WRITTEN_FIELDS), trials, params)
    for view in VIEWS:
        assert measure(case, f"{view}_auc") == pytest.approx(measure(case, f"{view}_auc_as_drafts"), abs=0.07)
    assert measure(case, "form_auc") < 0.65  # a draft holds all that a trial has


def test_the_form_of_a_draft_with_fewer_fields_is_told_from_real_trials(
    trials: pl.DataFrame, params: QualityParams
) -> None:
    few = ("title", "summary", "inclusion", "exclusion")
    case = make_case(as_drafts(trials[650:800], few), trials, params)
    assert measure(case, "form_auc") > 0.95
    named = name_fields(case)
    assert {"keywords", "official_title", "detailed_description"} <= {
        *named["fidelity.fields_of_real_alone"].split(", ")
    }
    assert named["fidelity.fields_of_synthetic_alone"] == ""


def test_content_has_no_layout_of_criteria() -> None:
    texts = [
        "Inclusion Criteria:\n\n  1. Age over 18\n  2. Asthma\n\nExclusion Criteria:\n\n  1. Smoking",
        "Inclusion Criteria\n* age over 18\n* ASTHMA.\nExclusion Criteria\n* smoking;",
    ]
    frame = registration_view(simulate(2, 1)).with_columns(criteria=pl.Series(texts))
    one, other = content_texts(frame, ["criteria"])
    assert one == other == "18 age asthma smoking"


def test_rows_that_share_exemplars_count_once(trials: pl.DataFrame, params: QualityParams) -> None:
    shown = pl.Series([["b", "a"], ["a", "b"], ["a", "b"], ["c"], [], []], dtype=pl.List(pl.String))
    clusters = make_case(trials[650:656].with_columns(exemplars=shown), trials, params).candidates.clusters
    assert sorted(sorted(clusters.rows(np.array([place])).tolist()) for place in range(len(clusters))) == [
        [0, 1, 2], [3], [4], [5],
    ]  # fmt: skip
    values = np.random.default_rng(1).normal(size=60)
    alone = bootstrap_mean(values, np.random.default_rng(2), 200)
    repeated = np.tile(values, 5)
    together = bootstrap_mean(repeated, np.random.default_rng(2), 200, Clusters.of(np.tile(np.arange(60), 5)))
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))
    naive = bootstrap_mean(repeated, np.random.default_rng(2), 200)
    assert naive.high - naive.low < 0.6 * (alone.high - alone.low)

    def mean(places: np.ndarray) -> float:
        return float(repeated[places].mean())

    left_out = jackknife_statistic(mean, Clusters.of(np.tile(np.arange(60), 5)))
    expected = jackknife_statistic(lambda places: float(values[places].mean()), Clusters.single(60))
    assert (left_out.low, left_out.high) == pytest.approx((expected.low, expected.high))


def test_an_auc_within_groups_is_that_of_its_pairs() -> None:
    stream = np.random.default_rng(1)
    groups, labels = stream.integers(0, 9, 80), stream.integers(0, 2, 80)
    scores = np.round(stream.random(80), 1)
    pairs = [
        (scores[one] > scores[other]) + (scores[one] == scores[other]) / 2
        for one in range(80)
        for other in range(80)
        if groups[one] == groups[other] and labels[one] > labels[other]
    ]
    assert auc_within(labels, scores, groups) == pytest.approx(np.mean(pairs))
    assert auc_within(labels, scores, np.zeros(80)) == pytest.approx(roc_auc(labels, scores))
    assert np.isnan(auc_within(labels, scores, np.arange(80)))


def test_the_label_that_records_say_is_read_and_its_opposite_as_such(
    trials: pl.DataFrame, params: QualityParams
) -> None:
    """Every trial says in a word what the model holds likely; labels follow it, or are its opposite."""
    chance = pl.Series(success_probability(trials))
    likely = chance > chance.median()
    said = trials.with_columns(
        label=likely.cast(pl.Int64),
        summary=SUMMARY + pl.when(likely).then(pl.lit(" Established.")).otherwise(pl.lit(" Exploratory.")),
    )
    right = make_case(said[650:800], said, params)
    wrong = make_case(said[650:800].with_columns(label=1 - pl.col("label")), said, params)
    assert measure(right, "label_fidelity") > 0.9
    assert measure(wrong, "label_fidelity") < 0.1
    assert measure(right, "label_fidelity_real") > 0.9
    assert measure(right, "label_fidelity_as_drafts") > 0.9
    assert (measure(right, "label_fidelity_true"), measure(wrong, "label_fidelity_true")) == (1, 0)
    rows = label_table(wrong)
    assert rows.height == 150
    assert rows.head(50).filter(pl.col("label") == (pl.col("true") > pl.col("read"))).height < 50
    assert (rows["label"] - rows["read"]).abs().is_sorted(descending=True)


def test_labels_by_turns_are_read_by_nothing(trials: pl.DataFrame, params: QualityParams) -> None:
    records = trials[650:900].with_columns(label=pl.int_range(pl.len()) % 2)
    case = make_case(records, trials, params)
    for name in ("label_fidelity", "label_fidelity_true"):
        found = METRICS[f"fidelity.{name}"].measure(case)
        assert found.low < 0.5 < found.high
    assert measure(case, "label_fidelity_true_real") > 0.6
