from __future__ import annotations

from collections import Counter

import polars as pl
import pytest

from trialforge.core.errors import ParameterError
from trialforge.simulation.corpus import simulate
from trialforge.split.blocks import BLOCK_SCHEMA, assign_blocks, block_metrics, check_study
from trialforge.split.params import BlockParams, PlanParams, StudiedPools
from trialforge.split.plan import PLAN_SCHEMA, plan_blocks
from trialforge.trial.controls import cluster_key
from trialforge.trial.leakage import registration_view

PARAMS = BlockParams(enabled=True, size=10, most=100)
PLAN = PlanParams(
    min_success=1, min_failure=1, interventions=1, records=1, arms=("retrieval-reasoning", "no-reasoning")
)


@pytest.fixture(scope="module")
def train() -> pl.DataFrame:
    """Interventions, one with more trials than a block holds; the last two trials are near-duplicates."""
    trials = simulate(200, 3)
    names = [["aspirin"] if number < 15 else [f"drug {number // 3}"] for number in range(200)]
    names[199] = ["another"]
    view = registration_view(trials).with_columns(
        label=(trials["status"] == "Completed").cast(pl.Int64),
        normalized_interventions=pl.Series(names),
    )
    last = view.tail(1).with_columns(nct_id=pl.lit("SIM99999999"), normalized_interventions=pl.lit(["twin"]))
    return pl.concat([view, last])


def test_blocks_are_full_and_each_trial_is_in_one(train: pl.DataFrame) -> None:
    blocks = assign_blocks(train, PARAMS, 0.8, 5)
    assert blocks.schema == pl.Schema(BLOCK_SCHEMA)
    assert set(blocks.group_by("block").len()["len"]) == {10}
    assert blocks["nct_id"].is_unique().all()
    assert blocks["block"].max() == blocks["block"].n_unique() - 1
    assert blocks.height > 0.8 * train.height
    assert assign_blocks(train.reverse(), PARAMS, 0.8, 5).equals(blocks)
    assert assign_blocks(train, PARAMS.model_copy(update={"most": 7}), 0.8, 5)["block"].n_unique() == 7


def test_an_intervention_stays_in_one_block_unless_it_is_larger(train: pl.DataFrame) -> None:
    for seed in range(3):
        blocks = assign_blocks(train, PARAMS, 0.8, seed)
        placed = train.join(blocks, on="nct_id").select("block", cluster_key())
        spread = placed.group_by("cluster").agg(pl.col("block").n_unique())
        assert spread.filter(pl.col("block") > 1)["cluster"].to_list() == ["aspirin"]
        assert block_metrics(train, blocks)["interventions_in_several"] == 1


def test_near_duplicates_stay_in_one_block(train: pl.DataFrame) -> None:
    for seed in range(6):
        blocks = dict(assign_blocks(train, PARAMS, 0.8, seed).iter_rows())
        twins = blocks.get("SIM00000200"), blocks.get("SIM99999999")
        assert twins[0] == twins[1]


def test_too_few_trials_are_an_error_that_says_so(train: pl.DataFrame) -> None:
    with pytest.raises(ParameterError, match="full blocks of 25, but 6 are needed"):
        assign_blocks(train.head(100), BlockParams(size=25), 0.8, 5)


def test_a_block_is_planned_after_its_own_trials_in_their_label_shares(train: pl.DataFrame) -> None:
    blocks = assign_blocks(train, PARAMS, 0.8, 5)
    plan = plan_blocks(train, blocks, PLAN, 20, 5)
    assert plan.schema == pl.Schema(PLAN_SCHEMA)
    assert plan["target_id"].is_unique().all()
    of_block = train.join(blocks, on="nct_id")
    for block in blocks["block"].unique():
        mine = of_block.filter(block=block)
        for arm in PLAN.arms:
            asked = plan.filter(block=block, arm=arm)
            assert Counter(asked["label"]) == {key: 2 * n for key, n in Counter(mine["label"]).items()}
            assert set(asked["intervention"]) == set(mine["normalized_interventions"].list.first())


def test_more_records_keep_the_targets_there_are(train: pl.DataFrame) -> None:
    blocks = assign_blocks(train, PARAMS, 0.8, 5)
    few, more = (plan_blocks(train, blocks, PLAN, records, 5) for records in (5, 9))
    assert few.join(more, on=PLAN_SCHEMA.keys(), how="anti", nulls_equal=True).is_empty()


def test_a_study_that_could_not_be_run_is_refused_before_anything_is_generated() -> None:
    written = {"name": "synthetic", "extra": "synthetic", "generation_arm": "no-reasoning"}
    study = StudiedPools.model_validate({"sizes": [2, 8], "arms": [written], "pools": 40})
    check_study(16, ["no-reasoning"], study)
    with pytest.raises(ParameterError, match="15 blocks are too few for pools of 8"):
        check_study(15, ["no-reasoning"], study)
    with pytest.raises(ParameterError, match="`synthetic` is as large as generation arm `no-reasoning`"):
        check_study(16, ["retrieval-reasoning"], study)


def test_a_study_arm_learns_by_default_from_the_only_generation_arm() -> None:
    study = StudiedPools.model_validate({"sizes": [2], "arms": [{"name": "synthetic", "extra": "synthetic"}]})
    check_study(16, ["no-reasoning"], study)
    check_study(16, ["no-reasoning", "retrieval-reasoning"], study)
    with pytest.raises(ParameterError, match="as large as generation arm `retrieval-reasoning`"):
        check_study(16, ["no-reasoning", "label-free"], study)
