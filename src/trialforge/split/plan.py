"""What is to be generated: targets drawn from the pool, which is the train part alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, cast

import polars as pl

from trialforge.core.errors import ParameterError
from trialforge.core.files import hash_text
from trialforge.core.rng import derive_seed, random_stream
from trialforge.split.params import PlanParams
from trialforge.split.skeletons import Donorhood
from trialforge.trial.controls import CONTROLS
from trialforge.trial.generation_arms import WITHOUT_PROSE
from trialforge.trial.skeleton import SKELETON_SCHEMA, without_prose

PLAN_SCHEMA: dict[str, pl.DataType] = {
    "target_id": pl.String(), "intervention": pl.String(), "conditions": pl.List(pl.String()),
    "phase": pl.String(), "label": pl.Int64(), "arm": pl.String(), "generation": pl.Int64(),
    "seed": pl.Int64(), "block": pl.Int64(), "pair": pl.Int64(), "skeleton": pl.Struct(SKELETON_SCHEMA),
}  # fmt: skip
_BOTH = "both labels"
Key = tuple[str | int, ...]


def eligible_interventions(train: pl.DataFrame, params: PlanParams) -> pl.DataFrame:
    """Return `intervention`, `successes`, `failures`: those with enough of both, the most seen first."""
    named = train.select("label", intervention="normalized_interventions").explode("intervention")
    counted = named.group_by("intervention").agg(
        successes=(pl.col("label") == 1).sum(), failures=(pl.col("label") == 0).sum()
    )
    enough = (pl.col("successes") >= params.min_success) & (pl.col("failures") >= params.min_failure)
    known = pl.col("intervention").is_not_null() & ~pl.col("intervention").is_in(CONTROLS)
    rank = pl.min_horizontal("successes", "failures")
    return counted.filter(enough & known).sort(rank, "intervention", descending=[True, False])


def plan_targets(train: pl.DataFrame, params: PlanParams, seed: int) -> pl.DataFrame:
    """Return PLAN_SCHEMA; each arm is asked for the same targets, so that arms can be compared in pairs.

    Labels of an intervention have the shares that they have in the pool, or half each. With `contrast` each
    skeleton is asked for twice, as a success and as a failure; the two have the same `pair`. Every generation
    asks for the same labels, with draws and seeds of its own. Conditions and phase are those of a pool trial
    of the same intervention and label, drawn at random; so is the skeleton, from several trials. A target has
    the same id, draw and seed for as long as its pool is the same.

    Raises:
        ParameterError: no intervention has enough trials of both labels, or no target has one of them.
    """
    rows: list[dict[str, Any]] = []
    chosen = eligible_interventions(train, params)["intervention"].head(params.interventions)
    if chosen.is_empty():
        raise ParameterError(
            f"no intervention has {params.min_success} successes and {params.min_failure} failures in train",
            hint="lower plan.min_success and plan.min_failure, or take more trials",
        )
    labelled = train.filter(pl.col("label").is_not_null())
    donors = Donorhood(labelled, params.max_words)
    for rank, name in enumerate(chosen):
        mine = labelled.filter(pl.col("normalized_interventions").list.contains(name)).sort("nct_id")
        for generation, (label, count) in product(
            range(params.generations), _count_draws(mine, params, rank).items()
        ):
            again = (generation,) if generation else ()
            pool = mine if label == _BOTH else mine.filter(label=label)
            picks = random_stream(seed, "plan", name, label, *again).integers(pool.height, size=count)
            for number, pick in enumerate(picks):
                trial = pool.row(int(pick), named=True)
                asked = {"intervention": name, "conditions": trial["conditions"], "phase": trial["phase"]}
                asked["label"] = None if label == _BOTH else label
                own = random_stream(seed, "skeleton", name, label, number, *again)
                skeleton = donors.draw(asked, trial, own).model_dump()
                row = asked | {"generation": generation, "block": None, "skeleton": skeleton}
                rows += _ask_each(row, params, (name, label, number), again, seed)
    plan = pl.DataFrame(rows, schema=PLAN_SCHEMA)
    if plan["label"].n_unique() < 2:
        raise ParameterError(
            f"all {plan.height} targets have the label {plan['label'][0]}: too few targets for both labels",
            hint="raise plan.records or plan.interventions, or set plan.label_shares to equal",
        )
    return plan


def plan_blocks(
    train: pl.DataFrame, blocks: pl.DataFrame, params: PlanParams, records: int, seed: int
) -> pl.DataFrame:
    """Return PLAN_SCHEMA: `records` targets for each block, arm and generation, each after one of its trials.

    Intervention, conditions, phase and label are those of the trial, so labels have the block's own shares;
    skeletons are drawn from the block alone.
    Each trial with an intervention stands for as many targets as the next one, in an order drawn at random.

    Args:
        train: the trials.
        blocks: `nct_id` and `block`.
        params: arms and generations.
        records: targets of a block.
        seed: of the run.

    Raises:
        ParameterError: no trial of a block has an intervention that is no control.
    """
    names = pl.col("normalized_interventions").list.filter(~pl.element().is_in(CONTROLS))
    named = train.join(blocks, on="nct_id").with_columns(intervention=names.list.first()).sort("nct_id")
    rows: list[dict[str, Any]] = []
    for block in blocks["block"].unique().sort():
        mine = named.filter((pl.col("block") == block) & pl.col("intervention").is_not_null())
        if mine.is_empty():
            raise ParameterError(f"no trial of block {block} names an intervention", hint="raise blocks.size")
        donors = Donorhood(mine, params.max_words)
        for generation in range(params.generations):
            order = random_stream(seed, "plan", "block", block, generation).permutation(mine.height)
            for number in range(records):
                trial = mine.row(int(order[number % mine.height]), named=True)
                asked = {name: trial[name] for name in ("intervention", "conditions", "phase", "label")}
                own = random_stream(seed, "skeleton", "block", block, number, generation)
                skeleton = donors.draw(asked, trial, own).model_dump()
                row = asked | {"generation": generation, "block": block, "skeleton": skeleton}
                rows += _ask_each(row, params, ("block", block, number), (generation,), seed)
    return pl.DataFrame(rows, schema=PLAN_SCHEMA)


def _count_draws(mine: pl.DataFrame, params: PlanParams, rank: int) -> dict[int | str, int]:
    """Return how many skeletons of an intervention are drawn by label, or of both labels for pairs."""
    if params.contrast:
        return {_BOTH: -(-params.records // 2)}
    share = mine["label"].mean() if params.label_shares == "pool" else 0.5
    return dict(share_labels(cast("float", share), params.records, rank).items())


def _ask_each(
    row: Mapping[str, Any], params: PlanParams, before: Key, after: Key, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield a drawn target once for each arm, and with `contrast` as a success and as a failure."""
    pair = derive_seed(seed, "pair", *before, *after) if params.contrast else None
    for label, arm in product((1, 0) if params.contrast else (row["label"],), params.arms):
        key = "|".join(map(str, (*before, arm, *after, *((label,) if params.contrast else ()))))
        yield {
            **row,
            "skeleton": without_prose(row["skeleton"]) if arm == WITHOUT_PROSE else row["skeleton"],
            "label": label,
            "target_id": f"T-{hash_text(key)[:12]}",
            "arm": arm,
            "seed": derive_seed(seed, "target", *before, *after),
            "pair": pair,
        }


def share_labels(share: float, records: int, rank: int) -> dict[int, int]:
    """Return how many of an intervention's targets have label 1 and 0, as near to `share` as counts allow.

    Targets are dealt by systematic sampling: the first n of an intervention have n * share successes, rounded
    up or down, so that more records keep the targets there are. Where rounding starts differs by the rank of
    the intervention (golden ratio), so that a rare label is asked for in some where it is too rare for each.
    """
    start = (rank + 0.5) * (math.sqrt(5) - 1) / 2 % 1
    successes = math.floor(records * share + start)
    return {1: successes, 0: records - successes}


def plan_metrics(train: pl.DataFrame, plan: pl.DataFrame, params: PlanParams) -> dict[str, int]:
    """Return how many targets there are by label and arm, and how many interventions the pool offers."""
    arms = dict(plan.group_by("arm").len().sort("arm").iter_rows())
    return {
        "targets": plan.height,
        "success_targets": plan.filter(label=1).height,
        "failure_targets": plan.filter(label=0).height,
        "interventions": plan["intervention"].n_unique(),
        "eligible_interventions": eligible_interventions(train, params).height,
        **{f"arm_{arm}": count for arm, count in arms.items()},
    }
