"""What is to be generated: targets drawn from the pool, which is the train part alone."""

from __future__ import annotations

import polars as pl

from trialforge.core.errors import ParameterError
from trialforge.core.files import hash_text
from trialforge.core.rng import derive_seed, random_stream
from trialforge.split.params import PlanParams
from trialforge.trial.controls import CONTROLS

PLAN_SCHEMA: dict[str, pl.DataType] = {
    "target_id": pl.String(), "intervention": pl.String(), "conditions": pl.List(pl.String()),
    "phase": pl.String(), "label": pl.Int64(), "arm": pl.String(), "seed": pl.Int64(),
}  # fmt: skip


def eligible_interventions(train: pl.DataFrame, params: PlanParams) -> pl.DataFrame:
    """Return `intervention`, `successes`, `failures`: those with enough of both, the most seen first."""
    named = train.explode("normalized_interventions").rename({"normalized_interventions": "intervention"})
    counted = named.group_by("intervention").agg(
        successes=(pl.col("label") == 1).sum(), failures=(pl.col("label") == 0).sum()
    )
    enough = (pl.col("successes") >= params.min_success) & (pl.col("failures") >= params.min_failure)
    known = pl.col("intervention").is_not_null() & ~pl.col("intervention").is_in(CONTROLS)
    rank = pl.min_horizontal("successes", "failures")
    return counted.filter(enough & known).sort(rank, "intervention", descending=[True, False])


def plan_targets(train: pl.DataFrame, params: PlanParams, seed: int) -> pl.DataFrame:
    """Return PLAN_SCHEMA; each arm is asked for the same targets, so that arms can be compared in pairs.

    Conditions and phase are those of a pool trial of the same intervention and label, drawn by lot; a target
    has the same id, draw and seed for as long as its pool is the same.

    Raises:
        ParameterError: no intervention has enough trials of both labels.
    """
    rows = []
    chosen = eligible_interventions(train, params)["intervention"].head(params.interventions)
    if chosen.is_empty():
        raise ParameterError(
            f"no intervention has {params.min_success} successes and {params.min_failure} failures in train",
            hint="lower plan.min_success and plan.min_failure, or take more trials",
        )
    for name in chosen:
        mine = train.filter(pl.col("normalized_interventions").list.contains(name)).sort("nct_id")
        for label in (1, 0):
            pool = mine.filter(pl.col("label") == label)
            picks = random_stream(seed, "plan", name, label).integers(pool.height, size=params.records)
            for number, pick in enumerate(picks):
                trial = pool.row(int(pick), named=True)
                for arm in params.arms:
                    key = f"{name}|{label}|{number}|{arm}"
                    rows.append(
                        {
                            "target_id": f"T-{hash_text(key)[:12]}",
                            "intervention": name,
                            "conditions": trial["conditions"],
                            "phase": trial["phase"],
                            "label": label,
                            "arm": arm,
                            "seed": derive_seed(seed, "target", name, label, number),
                        }
                    )
    return pl.DataFrame(rows, schema=PLAN_SCHEMA)


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
