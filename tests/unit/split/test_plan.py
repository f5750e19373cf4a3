from __future__ import annotations

import polars as pl
import pytest

from trialforge.core.errors import ParameterError
from trialforge.split.params import PlanParams
from trialforge.split.plan import PLAN_SCHEMA, eligible_interventions, plan_metrics, plan_targets

PARAMS = PlanParams(
    min_success=2, min_failure=1, interventions=5, records=2, arms=("retrieval-reasoning", "no-reasoning")
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
    schema = {
        "nct_id": pl.String(),
        "normalized_interventions": pl.List(pl.String()),
        "label": pl.Int64(),
        "conditions": pl.List(pl.String()),
        "phase": pl.String(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_interventions_need_enough_of_both_labels_and_placebo_is_none() -> None:
    found = eligible_interventions(pool(), PARAMS)
    assert found.rows() == [("ibuprofen", 2, 2), ("aspirin", 3, 1)]


def test_a_plan_by_hand() -> None:
    plan = plan_targets(pool(), PARAMS, 7)
    # 2 interventions x 2 labels x 2 records x 2 arms
    assert plan.schema == pl.Schema(PLAN_SCHEMA)
    assert plan.height == 16
    assert plan["target_id"].n_unique() == 16
    failed_aspirin = plan.filter(intervention="aspirin", label=0)
    assert set(failed_aspirin["phase"]) == {"Phase 3"}
    assert failed_aspirin["conditions"].to_list() == [["fever"]] * 4
    assert plan_metrics(pool(), plan, PARAMS) == {
        "targets": 16,
        "success_targets": 8,
        "failure_targets": 8,
        "interventions": 2,
        "eligible_interventions": 2,
        "arm_no-reasoning": 8,
        "arm_retrieval-reasoning": 8,
    }


def test_arms_are_asked_for_the_same_targets() -> None:
    plan = plan_targets(pool(), PARAMS, 7).drop("target_id")
    one, other = (plan.filter(arm=arm).drop("arm") for arm in PARAMS.arms)
    assert one.equals(other)


def test_a_plan_is_the_same_in_any_order_and_another_with_another_seed() -> None:
    assert plan_targets(pool(), PARAMS, 7).equals(plan_targets(pool().reverse(), PARAMS, 7))
    assert not plan_targets(pool(), PARAMS, 7)["seed"].equals(plan_targets(pool(), PARAMS, 8)["seed"])


def test_more_records_keep_the_targets_that_were_there() -> None:
    few = plan_targets(pool(), PARAMS, 7)
    more = plan_targets(pool(), PARAMS.model_copy(update={"records": 3}), 7)
    assert few.join(more, on=PLAN_SCHEMA.keys(), how="anti").is_empty()


def test_a_pool_without_enough_trials_is_an_error() -> None:
    with pytest.raises(ParameterError, match=r"lower plan\.min_success"):
        plan_targets(pool(), PARAMS.model_copy(update={"min_failure": 9}), 7)
