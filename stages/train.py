"""Experiments by each classifier: train each arm and seed, and keep what they predict.

Without synthetic trials it trains `learning.real_experiments`, with them `learning.synthetic_experiments`.
What was trained before is read from the store of cells, so a changed classifier trains no other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import read_parquet, write_parquet
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.learning.params import LearningParams
from trialforge.learning.tables import make_tables
from trialforge.learning.training import Training, train_experiments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for part in ("train", "validation", "test"):
        parser.add_argument(f"--{part}", type=Path, required=True)
    parser.add_argument("--synthetic", type=Path)
    parser.add_argument("--generated", type=Path)
    parser.add_argument("--held-back", type=Path)
    parser.add_argument("--as-drafts", type=Path)
    parser.add_argument("--predictions", type=claim_out, required=True)
    parser.add_argument("--models", type=claim_out, required=True)
    args = parser.parse_args()
    params, seed = load_section(LearningParams, "learning"), load_seed()

    parts = {part: read_parquet(getattr(args, part)) for part in ("train", "validation", "test")}
    if args.held_back:
        parts["held-back"] = read_parquet(args.held_back)
    drafts = [
        read_parquet(path) if path else None for path in (args.synthetic, args.generated, args.as_drafts)
    ]
    tables = make_tables(parts, params.fields, *drafts)
    experiments = params.synthetic_experiments if args.synthetic else params.real_experiments
    for model in params.models:
        training = Training(params, experiments, model, seed, args.models / model)
        write_parquet(train_experiments(training, tables), args.predictions / f"{model}.parquet")


if __name__ == "__main__":
    run_stage(main)
