"""One table of trials -> the registration views of train, validation, test and what is held back."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.errors import run_stage
from trialforge.core.files import read_parquet, write_json, write_parquet
from trialforge.core.params import load_section, load_seed
from trialforge.split.groups import group_trials, near_duplicate_pairs
from trialforge.split.metrics import split_metrics
from trialforge.split.params import SplitParams
from trialforge.split.split import HELD_BACK, PARTS, check_split, hold_back, split_trials
from trialforge.trial.leakage import registration_view


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", type=Path)
    for name in ("split", *PARTS, HELD_BACK, "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    params = load_section(SplitParams, "split")
    trials = read_parquet(args.trials)

    pairs = near_duplicate_pairs(trials, params.near_duplicate)
    split = split_trials(trials, group_trials(trials["nct_id"], pairs), params, load_seed())
    check_split(trials, split, pairs, params.strategy)
    split = hold_back(split, trials, params.held_back, load_seed())

    write_parquet(split, args.split)
    for part in (*PARTS, HELD_BACK):
        mine = trials.join(split.filter(part=part), on="nct_id", how="semi", maintain_order="left")
        view = registration_view(mine).drop("official_part", strict=False)
        write_parquet(view.with_columns(mine["label"]), getattr(args, part.replace("-", "_")))
    write_json(split_metrics(trials, split, len(pairs)), args.metrics)


if __name__ == "__main__":
    run_stage(main)
