from __future__ import annotations

import polars as pl
import pytest

from tests.unit.split.pools import make_pool
from trialforge.core.errors import ParameterError
from trialforge.split.params import PlanParams
from trialforge.split.plan import (
    PLAN_SCHEMA,
    eligible_interventions,
    plan_metrics,
    plan_targets,
    share_labels,
)
from trialforge.trial.skeleton import without_prose

PARAMS = PlanParams(
    min_success=2, min_failure=1, interventions=5, records=4, arms=("retrieval-reasoning", "no-reasoning")
)


def pool() -> pl.DataFrame:
    """Aspirin has 3 successes and 1 failure, ibuprofen 2 and 2, codeine 2 and none; placebo is with all."""
    rows = [
        *[(f"A{n}", ["aspirin", "placebo"], 1, [f"pain {n}"], "Phase 2") for n in range(3)],
        ("A9", ["aspirin", "placebo"], 0, ["fever"], "Phase 3"),
        *[(f"B{n}", ["ibuprofen", "placebo"], n % 2, [f"ache {n}"], "Phase 1") for n in range(4)],
        *[(f"C{n}", ["codeine", "placebo"], 1, ["cough"], "Phase 4") for n in range(2)],
        ("D0", ["aspirin"], None, ["unlabelled"], "N/A"),
        ("D1", [], 0, ["nothing given"], "N/A"),
    ]
    return make_pool(
        {
            "nct_id": name,
            "normalized_interventions": given,
            "label": label,
            "conditions": conditions,
            "phase": phase,
            "interventions": [{"name": one} for one in given],
        }
        for name, given, label, conditions, phase in rows
    )


def test_interventions_need_enough_of_both_labels_and_placebo_is_none() -> None:
    found = eligible_interventions(pool(), PARAMS)
    assert found.rows() == [("ibuprofen", 2, 2), ("aspirin", 3, 1)]


def test_with_contrast_each_skeleton_is_asked_for_as_a_success_and_as_a_failure() -> None:
    plan = plan_targets(pool(), PARAMS.model_copy(update={"contrast": True}), 7)
    assert plan.height == 16
    assert plan["target_id"].n_unique() == 16
    of_label = {label: plan.filter(label=label).drop("target_id", "label") for label in (1, 0)}
    assert of_label[1].equals(of_label[0])
    assert of_label[1]["pair"].n_unique() == 4


def test_a_plan_by_hand() -> None:
    plan = plan_targets(pool(), PARAMS, 7)
    # 2 interventions x 4 records x 2 arms; ibuprofen 2 of 4, aspirin 3 of 4, as in the pool
    assert plan.schema == pl.Schema(PLAN_SCHEMA)
    assert plan.height == 16
    assert plan["target_id"].n_unique() == 16
    failed_aspirin = plan.filter(intervention="aspirin", label=0)
    assert set(failed_aspirin["phase"]) == {"Phase 3"}
    assert failed_aspirin["conditions"].to_list() == [["fever"]] * 2
    assert plan_metrics(pool(), plan, PARAMS) == {
        "targets": 16,
        "success_targets": 10,
        "failure_targets": 6,
        "interventions": 2,
        "eligible_interventions": 2,
        "arm_no-reasoning": 8,
        "arm_retrieval-reasoning": 8,
    }


def test_arms_are_asked_for_the_same_targets() -> None:
    plan = plan_targets(pool(), PARAMS, 7).drop("target_id")
    one, other = (plan.filter(arm=arm).drop("arm") for arm in PARAMS.arms)
    assert one.equals(other)


def test_a_plan_alone_asks_for_the_same_trials_without_a_text() -> None:
    arms = ("retrieval-reasoning", "plan-alone")
    texts = {
        "title": "A trial of pills",
        "criteria": "Inclusion Criteria:\n- Pain\nExclusion Criteria:\n- None",
    }
    trials = pool().with_columns(**{name: pl.lit(text) for name, text in texts.items()})
    plan = plan_targets(trials, PARAMS.model_copy(update={"arms": arms}), 7)
    written, bare = (plan.filter(arm=arm)["skeleton"].to_list() for arm in arms)
    parts = ("title", "inclusion", "exclusion")
    assert all(skeleton[name] for skeleton in written for name in parts)
    assert not any(skeleton[name] for skeleton in bare for name in parts)
    kept = ("interventions", "masking", "enrolment_planned", "minimum_age", "condition_mesh")
    assert [[one[name] for name in kept] for one in bare] == [
        [one[name] for name in kept] for one in map(without_prose, written)
    ]


def test_a_plan_is_the_same_in_any_order_and_another_with_another_seed() -> None:
    assert plan_targets(pool(), PARAMS, 7).equals(plan_targets(pool().reverse(), PARAMS, 7))
    assert not plan_targets(pool(), PARAMS, 7)["seed"].equals(plan_targets(pool(), PARAMS, 8)["seed"])


def test_more_records_keep_the_targets_that_were_there() -> None:
    few = plan_targets(pool(), PARAMS, 7)
    more = plan_targets(pool(), PARAMS.model_copy(update={"records": 7}), 7)
    assert few.join(more, on=PLAN_SCHEMA.keys(), how="anti", nulls_equal=True).is_empty()


def test_a_pool_without_enough_trials_is_an_error() -> None:
    with pytest.raises(ParameterError, match=r"lower plan\.min_success"):
        plan_targets(pool(), PARAMS.model_copy(update={"min_failure": 9}), 7)


def label_counts(plan: pl.DataFrame) -> dict[tuple[str, int], int]:
    counts = plan.group_by("intervention", "label").len()
    return {(name, label): count for name, label, count in counts.iter_rows()}


def test_labels_are_asked_for_in_the_shares_of_the_pool_or_half_each() -> None:
    single = PARAMS.model_copy(update={"arms": ("retrieval-reasoning",), "records": 40})
    assert label_counts(plan_targets(pool(), single, 7)) == {
        ("ibuprofen", 1): 20, ("ibuprofen", 0): 20, ("aspirin", 1): 30, ("aspirin", 0): 10,
    }  # fmt: skip
    equal = plan_targets(pool(), single.model_copy(update={"label_shares": "equal"}), 7)
    assert set(label_counts(equal).values()) == {20}


@pytest.mark.parametrize("share", [0.08, 0.5, 0.92])
def test_few_records_of_many_interventions_have_the_shares_too(share: float) -> None:
    """Three records of an intervention whose trials succeed in 92%: rounded each alone, none would fail."""
    counts = [share_labels(share, 3, rank) for rank in range(100)]
    assert {sum(count.values()) for count in counts} == {3}
    assert sum(count[1] for count in counts) / 300 == pytest.approx(share, abs=0.01)


def test_a_second_generation_asks_for_the_same_with_other_draws_and_seeds() -> None:
    once, twice = (
        plan_targets(pool(), PARAMS.model_copy(update={"generations": count}), 7) for count in (1, 2)
    )
    assert twice.filter(generation=0).equals(once)
    again = twice.filter(generation=1)
    assert label_counts(again) == label_counts(once)
    assert again.join(once, on="seed", how="semi").is_empty()
    assert twice["target_id"].n_unique() == twice.height


def test_a_plan_without_one_label_is_an_error() -> None:
    with pytest.raises(
        ParameterError, match=r"(?s)all 2 targets have the label 0: too few.*plan\.label_shares to equal"
    ):
        plan_targets(pool(), PARAMS.model_copy(update={"records": 1, "interventions": 1}), 7)
