"""The train part -> blocks of trials, each of which a generator will see alone; none by default."""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

from trialforge.core.files import read_parquet, write_json, write_parquet
from trialforge.core.made_from import name_tables
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.split.blocks import BLOCK_SCHEMA, assign_blocks, block_metrics
from trialforge.split.params import BlockParams, SplitParams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("--blocks", type=claim_out, required=True)
    parser.add_argument("--metrics", type=claim_out, required=True)
    args = parser.parse_args()
    params, train = load_section(BlockParams, "blocks"), read_parquet(args.train)
    blocks = pl.DataFrame(schema=BLOCK_SCHEMA)
    if params.enabled:
        near = load_section(SplitParams, "split").near_duplicate
        blocks = assign_blocks(train, params, near, load_seed())
    write_parquet(blocks, args.blocks)
    write_json(block_metrics(train, blocks) | name_tables(args.train), args.metrics)


if __name__ == "__main__":
    run_stage(main)
