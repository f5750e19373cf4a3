"""One table of trials -> the registration views of train, validation and test."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.corpus.params import SplitParams
from trialforge.corpus.split import split_temporal
from trialforge.files import read_parquet, write_json, write_parquet
from trialforge.leakage import registration_view
from trialforge.params import load_section


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", type=Path)
    for name in ("split", "train", "validation", "test", "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    trials = read_parquet(args.trials)
    split = split_temporal(trials, load_section(SplitParams, "split"))
    write_parquet(split, args.split)
    for part in ("train", "validation", "test"):
        mine = trials.join(split.filter(part=part), on="nct_id", how="semi", maintain_order="left")
        view = registration_view(mine).with_columns(mine["label"])
        write_parquet(view, getattr(args, part))
    write_json(dict(split["part"].value_counts(sort=True).iter_rows()), args.metrics)


if __name__ == "__main__":
    main()
