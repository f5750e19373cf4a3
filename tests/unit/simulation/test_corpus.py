from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from tests.unit.trial.people import find_people
from trialforge.ingest.factory import SimulatedSource
from trialforge.ingest.params import IngestParams
from trialforge.simulation.corpus import simulate
from trialforge.simulation.model import best_roc_auc, success_probability
from trialforge.trial.free_text import numbered_texts
from trialforge.trial.leakage import REMARK, find_outcome
from trialforge.trial.record import TRIAL_SCHEMA, frame_to_trials


@pytest.fixture(scope="module")
def trials() -> pl.DataFrame:
    return simulate(1200, 5)


def test_every_trial_is_valid_and_called_simulated(trials: pl.DataFrame) -> None:
    assert trials.schema == pl.Schema(TRIAL_SCHEMA)
    assert len(frame_to_trials(trials.head(50))) == 50
    assert (trials["source"] == "simulated").all()
    assert trials["nct_id"].n_unique() == 1200
    assert not trials["nct_id"].str.contains("NCT").any()


def test_a_longer_corpus_begins_with_the_shorter_one(trials: pl.DataFrame) -> None:
    assert simulate(40, 5).equals(trials.head(40))
    assert not simulate(40, 6).equals(trials.head(40))


def test_best_roc_auc_by_hand() -> None:
    # Chances .8 and .2: pairs of success and failure are .8 * .8 in order, .2 * .2 in the other: .64 / .68.
    assert best_roc_auc(np.array([0.8, 0.2])) == pytest.approx(0.64 / 0.68)
    assert best_roc_auc(np.array([0.3, 0.3, 0.3])) == pytest.approx(0.5)


def test_the_model_predicts_what_was_drawn_as_well_as_it_says(trials: pl.DataFrame) -> None:
    chance = success_probability(trials)
    success = (trials["status"] == "Completed").to_numpy()
    assert roc_auc_score(success, chance) == pytest.approx(best_roc_auc(chance), abs=0.03)
    assert success.mean() == pytest.approx(chance.mean(), abs=0.04)


def test_the_model_reads_registration_fields_alone(trials: pl.DataFrame) -> None:
    blind = trials.with_columns(status=None, why_stopped=None, completion_date=None, enrolment_actual=None)
    assert np.array_equal(success_probability(trials), success_probability(blind))


def test_the_model_gives_the_same_bits_again(trials: pl.DataFrame) -> None:
    # A sum in the order of the free threads differed in its last bit in one call of five.
    first = success_probability(trials)
    assert all(np.array_equal(success_probability(trials), first) for _ in range(100))


def test_a_course_fits_its_outcome(trials: pl.DataFrame) -> None:
    done = pl.col("status") == "Completed"
    assert trials.filter(done)["why_stopped"].null_count() == trials.filter(done).height
    assert trials.filter(~done)["why_stopped"].null_count() == 0
    assert trials.select((pl.col("first_submitted") < pl.col("start_date")).all()).item()
    assert trials.select((pl.col("start_date") < pl.col("completion_date")).all()).item()
    assert trials.filter(status="Withdrawn").select((pl.col("enrolment_actual") == 0).all()).item()
    assert trials["start_date"].dt.year().n_unique() > 10


def test_some_records_tell_too_much_so_that_the_rules_have_work(trials: pl.DataFrame) -> None:
    assert find_outcome(numbered_texts(trials)["text"]).height > 20
    assert find_people(trials["detailed_description"]).height > 20
    assert not trials["criteria"].str.contains(REMARK).any()


def test_texts_are_varied_and_readable(trials: pl.DataFrame) -> None:
    for name in ("title", "summary", "detailed_description", "criteria"):
        text = trials[name]
        assert text.n_unique() > 850, name
        assert not text.str.contains(r"[{}]|None|  |\bnan\b").any(), name


def test_many_interventions_have_successes_and_failures() -> None:
    first = simulate(450, 20412)
    named = first.select(
        drug=pl.col("intervention_mesh").list.first(), success=pl.col("status") == "Completed"
    )
    counts = named.group_by("drug").agg(won=pl.col("success").sum(), lost=(~pl.col("success")).sum())
    assert counts.filter(pl.col("won") >= 3, pl.col("lost") >= 3).height >= 15


def test_the_source_yields_what_was_asked_for() -> None:
    source = SimulatedSource(IngestParams(simulated_trials=7), 1)
    (batch,) = source.batches()
    assert batch.trials.height == 7
    assert batch.refused.is_empty()
