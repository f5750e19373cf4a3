"""Predictions -> metrics with intervals, tests of the declared questions, rows of plots."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trialforge.core.files import read_json, read_parquet, write_csv, write_json
from trialforge.core.made_from import name_plots, name_tables
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.learning.params import LearningParams
from trialforge.learning.predictions import read_predictions
from trialforge.scoring.baselines import add_groups, base_rates, decision_rows, phase_rows, rate_rows
from trialforge.scoring.plots import curve_rows, reliability_rows, sweep_rows
from trialforge.scoring.report import against_rows, declared_rows, score_metrics, unseen_mask
from trialforge.scoring.scoring import check_control, score_predictions, shuffled_control
from trialforge.scoring.summary import summarise
from trialforge.trial.controls import cluster_key

if TYPE_CHECKING:
    import polars as pl


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("predictions", type=Path, help="the folder of what the train stages wrote")
    parser.add_argument("--zero-shot", type=Path)
    for name in ("train", "test", "synthetic", "validated", "quality"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("metrics", "summary"):
        parser.add_argument(f"--{name}", type=claim_out, required=True)
    parser.add_argument("--plots", type=claim_out, required=True)
    args = parser.parse_args()
    params = load_section(LearningParams, "learning")
    seed = load_seed()

    names = [f"{kind}/{model}.parquet" for kind in ("real", "synthetic") for model in params.models]
    test = read_parquet(args.test)
    scoring = score_predictions(
        read_predictions([args.predictions / name for name in names]),
        test.select("nct_id", cluster_key()),
        params,
        seed,
    )
    zero_shot = read_parquet(args.zero_shot) if args.zero_shot else None
    control = shuffled_control(scoring, params)
    groups = add_groups(test)
    rates = base_rates(add_groups(read_parquet(args.train)), groups)
    rate_table = rate_rows(rates, scoring, params.statistics.level)
    metrics = score_metrics(
        scoring, control, params, unseen_mask(test, read_parquet(args.synthetic)), zero_shot
    )
    metrics["base_rates"] = {row.pop("rate_of"): row for row in rate_table.iter_rows(named=True)}
    roc, pr = curve_rows(scoring.scores.values())
    tables: dict[str, pl.DataFrame] = {
        "arms": scoring.arms,
        "comparisons": declared_rows(scoring),
        **against_rows(scoring.explored),
        "roc": roc,
        "precision-recall": pr,
        "reliability": reliability_rows(scoring.scores.values()),
        "base-rates": rate_table,
        "net-benefit": decision_rows(scoring.scores.values(), rates),
        "calibration-by-phase": phase_rows(scoring.scores.values(), groups["phase"].to_list()),
        **{f"curve-{item}": rows for item, rows in sweep_rows(scoring.arms, params).items()},
    }
    plots = {args.plots / f"{name}.csv": table for name, table in tables.items()}
    for path, table in plots.items():
        write_csv(table, path)
    metrics |= name_tables(args.synthetic) | name_plots(*plots)
    write_json(metrics, args.metrics)
    write_json(summarise(read_json(args.validated), read_json(args.quality), metrics), args.summary)
    check_control(control)


if __name__ == "__main__":
    run_stage(main)
