"""Drafts -> synthetic trials, the best of each target, and rejected drafts with their reasons."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import read_parquet, write_csv, write_json, write_parquet
from trialforge.core.made_from import name_plots, name_tables
from trialforge.core.params import load_section
from trialforge.core.stage import claim_out, run_stage
from trialforge.trial.checks.params import CheckParams
from trialforge.validation.params import ValidationParams
from trialforge.validation.validate import acceptance_metrics, rejection_table, validate


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generated", type=Path)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--blocks", type=Path, required=True)
    parser.add_argument("--synthetic", type=claim_out, required=True)
    parser.add_argument("--rejected", type=claim_out, required=True)
    parser.add_argument("--metrics", type=claim_out, required=True)
    parser.add_argument("--reasons", type=claim_out, required=True, help="table of rejections by reason")
    paths = parser.parse_args(argv)

    checks, params = load_section(CheckParams, "checks"), load_section(ValidationParams, "validation")
    generated = read_parquet(paths.generated)
    plan, train, blocks = (read_parquet(path) for path in (paths.plan, paths.train, paths.blocks))
    validated = validate(generated, plan, train, blocks, checks, params)
    write_parquet(validated.synthetic, paths.synthetic)
    write_parquet(validated.rejected, paths.rejected)
    write_csv(rejection_table(validated), paths.reasons)
    belongs = name_tables(paths.generated, paths.synthetic) | name_plots(paths.reasons)
    write_json(acceptance_metrics(generated, validated) | belongs, paths.metrics)


if __name__ == "__main__":
    run_stage(main)
