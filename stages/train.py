"""One experiment by one classifier: train each arm and seed, and keep what they predict."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.errors import run_stage
from trialforge.core.files import read_parquet, write_parquet
from trialforge.core.params import load_section, load_seed
from trialforge.learning.params import LearningParams
from trialforge.learning.tables import make_tables
from trialforge.learning.training import Training, train_item


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("item")
    parser.add_argument("model")
    for part in ("train", "validation", "test"):
        parser.add_argument(f"--{part}", type=Path, required=True)
    parser.add_argument("--synthetic", type=Path)
    parser.add_argument("--generated", type=Path)
    parser.add_argument("--held-back", type=Path)
    parser.add_argument("--as-drafts", type=Path)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    args = parser.parse_args()
    params = load_section(LearningParams, "learning")

    parts = {part: read_parquet(getattr(args, part)) for part in ("train", "validation", "test")}
    if args.held_back:
        parts["held-back"] = read_parquet(args.held_back)
    drafts = [
        read_parquet(path) if path else None for path in (args.synthetic, args.generated, args.as_drafts)
    ]
    tables = make_tables(parts, params.fields, *drafts)
    training = Training(params, args.item, args.model, load_seed(), args.models)
    write_parquet(train_item(training, tables), args.predictions)


if __name__ == "__main__":
    run_stage(main)
