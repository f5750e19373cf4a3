"""Blocks of real trials: what a generator may know of, so that any blocks make a pool."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from trialforge.core.errors import ParameterError
from trialforge.core.rng import random_stream
from trialforge.split.groups import group_trials, near_duplicate_pairs
from trialforge.split.params import BlockParams, StudiedPools
from trialforge.trial.controls import cluster_key
from trialforge.trial.generation_arms import learned_arm

BLOCK_SCHEMA: dict[str, pl.DataType] = {"nct_id": pl.String(), "block": pl.Int64()}


def assign_blocks(train: pl.DataFrame, params: BlockParams, near_duplicate: float, seed: int) -> pl.DataFrame:
    """Return BLOCK_SCHEMA: labelled trials in at most `params.most` full blocks, the rest left out.

    Near-duplicates and the trials of one intervention stay in one block. An intervention with more trials
    than a block holds can't, and is dealt out trial by trial.

    Args:
        train: with `nct_id`, `label`, `normalized_interventions` and the texts.
        params: trials of a block, and how many blocks there are at most.
        near_duplicate: share of 5-grams (Jaccard) from which trials are near-duplicates.
        seed: of the order in which groups are dealt.

    Raises:
        ParameterError: there are fewer than six full blocks.
    """
    size = params.size
    labelled = train.filter(pl.col("label").is_not_null()).sort("nct_id")
    named = labelled.select("nct_id", cluster_key()).with_columns(
        members=pl.len().over("cluster"), first=pl.col("nct_id").min().over("cluster")
    )
    shared = named.filter((pl.col("members") <= size) & (pl.col("nct_id") != pl.col("first")))
    pairs = [*shared.select("first", "nct_id").iter_rows(), *near_duplicate_pairs(labelled, near_duplicate)]
    groups = group_trials(labelled["nct_id"], pairs).group_by("group").agg("nct_id").sort("group")
    order = random_stream(seed, "study", "blocks").permutation(groups.height)
    blocks: list[list[str]] = []
    open_blocks: list[list[str]] = []
    for members in groups["nct_id"].gather(order):
        block = next((one for one in open_blocks if len(one) + len(members) <= size), None)
        if block is None:
            open_blocks.append(block := [])
        block.extend(members)
        if len(block) >= size:
            open_blocks.remove(block)
            if len(block) == size:  # a chain of near-duplicates may be longer than a block
                blocks.append(block)
    blocks += _fill(open_blocks, size)
    if len(blocks) < 6:
        raise ParameterError(
            f"{labelled.height} labelled train trials make {len(blocks)} full blocks of {size}, "
            "but 6 are needed",
            hint="take more trials, lower blocks.size, or set blocks.enabled to false",
        )
    rows = [(nct_id, number) for number, block in enumerate(blocks[: params.most]) for nct_id in block]
    return pl.DataFrame(rows, schema=BLOCK_SCHEMA, orient="row").sort("nct_id")


def check_study(blocks: int, generation_arms: Sequence[str], study: StudiedPools) -> None:
    """Refuse what `worth` would refuse after hours of generation.

    Raises:
        ParameterError: a pool of the study needs more blocks than there are, or one of its arms needs a
            generation arm that the plan lacks.
    """
    largest = max(study.sizes)
    if blocks < 2 * largest:
        raise ParameterError(
            f"{blocks} blocks are too few for pools of {largest} blocks: {2 * largest} are needed",
            hint="lower study.sizes, or take more trials",
        )
    for arm in study.arms:
        learned = learned_arm(arm.generation_arm, generation_arms)
        if arm.extra is not None and learned not in generation_arms:
            raise ParameterError(
                f"study arm `{arm.name}` is as large as generation arm `{learned}`, "
                f"which is not in plan.arms: {', '.join(generation_arms)}",
                hint=f"give the study arm `generation_arm: {generation_arms[0]}`, or add it to plan.arms",
            )


def _fill(unfinished: list[list[str]], size: int) -> list[list[str]]:
    """Return full blocks: the largest takes trials of the smallest, of which the rest is left out."""
    waiting = sorted(unfinished, key=len)
    full: list[list[str]] = []
    while waiting:
        block = waiting.pop()
        while len(block) < size and waiting:
            block = block + waiting.pop(0)[: size - len(block)]
        full += [block] if len(block) == size else []
    return full


def block_metrics(train: pl.DataFrame, blocks: pl.DataFrame) -> dict[str, int | float | None]:
    """Return how many blocks and trials there are, and how many interventions stand in several blocks."""
    placed = train.join(blocks, on="nct_id").select("label", "block", cluster_key())
    spread = placed.group_by("cluster").agg(pl.col("block").n_unique())
    return {
        "blocks": blocks["block"].n_unique(),
        "trials": blocks.height,
        "left_out": train.filter(pl.col("label").is_not_null()).height - blocks.height,
        "success_share": round(float(placed["label"].to_numpy().mean()), 4) if placed.height else None,
        "interventions": spread.height,
        "interventions_in_several": spread.filter(pl.col("block") > 1).height,
    }
