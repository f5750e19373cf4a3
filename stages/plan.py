"""The train part -> what is to be generated, by intervention or by block."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import read_parquet, write_json, write_parquet
from trialforge.core.made_from import name_tables
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.split.params import BlockParams, PlanParams
from trialforge.split.plan import plan_blocks, plan_metrics, plan_targets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("--blocks", type=Path)
    parser.add_argument("--plan", type=claim_out, required=True)
    parser.add_argument("--metrics", type=claim_out, required=True)
    args = parser.parse_args()
    params, train = load_section(PlanParams, "plan"), read_parquet(args.train)
    seed = load_seed()
    if args.blocks and (blocks := load_section(BlockParams, "blocks")).enabled:
        plan = plan_blocks(train, read_parquet(args.blocks), params, blocks.records, seed)
    else:
        plan = plan_targets(train, params, seed)
    write_parquet(plan, args.plan)
    write_json(plan_metrics(train, plan, params) | name_tables(args.train), args.metrics)


if __name__ == "__main__":
    run_stage(main)
