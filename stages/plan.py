"""The train part -> what is to be generated, by intervention or by block; and the blocks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.core.files import read_parquet, write_json, write_parquet
from trialforge.core.made_from import name_tables
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.split.blocks import BLOCK_SCHEMA, assign_blocks, block_metrics, check_study
from trialforge.split.params import BlockParams, PlanParams, SplitParams, StudiedPools
from trialforge.split.plan import plan_blocks, plan_metrics, plan_targets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("--plan", type=claim_out, required=True)
    parser.add_argument("--blocks", type=claim_out, required=True)
    parser.add_argument("--metrics", type=claim_out, required=True)
    args = parser.parse_args()
    params, asked = load_section(PlanParams, "plan"), load_section(BlockParams, "blocks")
    near = load_section(SplitParams, "split").near_duplicate
    train, seed = read_parquet(args.train), load_seed()
    if asked.enabled:
        blocks = assign_blocks(train, asked, near, seed)
        check_study(blocks["block"].n_unique(), params.arms, load_section(StudiedPools, "study"))
        plan = plan_blocks(train, blocks, params, asked.records, seed)
    else:
        blocks, plan = pl.DataFrame(schema=BLOCK_SCHEMA), plan_targets(train, params, seed)
    metrics: dict[str, Any] = {**plan_metrics(train, plan, params)}
    if asked.enabled:
        metrics["blocks"] = block_metrics(train, blocks)
    write_parquet(blocks, args.blocks)
    write_parquet(plan, args.plan)
    write_json(metrics | name_tables(args.train), args.metrics)


if __name__ == "__main__":
    run_stage(main)
