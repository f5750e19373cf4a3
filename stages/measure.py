"""Synthetic trials -> how valid, faithful, diverse, private and free of leakage they are; then the gates."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import read_json, read_parquet, write_csv, write_json
from trialforge.core.made_from import MADE_FROM, name_tables
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.quality.gates import check_gates
from trialforge.quality.measurement import (
    build_case,
    build_tables,
    headline_values,
    measured_values,
    worst_records,
)
from trialforge.quality.params import QualityParams
from trialforge.quality.registry import METRICS
from trialforge.quality.yardstick import compare_yardsticks
from trialforge.validation.params import ValidationParams


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("synthetic", type=Path)
    for name in ("train", "validation", "test", "exemplars", "reasons", "validated"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("metrics", "plots"):
        parser.add_argument(f"--{name}", type=claim_out, required=True)
    paths = parser.parse_args(argv)

    params = load_section(QualityParams, "quality")
    case = build_case(
        read_parquet(paths.synthetic),
        read_parquet(paths.train),
        read_parquet(paths.validation),
        read_parquet(paths.test),
        read_parquet(paths.exemplars),
        read_parquet(paths.reasons),
        params,
        load_section(ValidationParams, "validation"),
        seed=load_seed(),
    )
    measures = compare_yardsticks(case, METRICS)
    values = measured_values(measures)
    write_json(headline_values(values, METRICS) | name_tables(paths.synthetic, paths.train), paths.metrics)
    write_csv(measures, paths.plots / "measures.csv")
    for name, table in build_tables(case).items():
        write_csv(table, paths.plots / f"{name}.csv")
    validated = read_json(paths.validated)
    values |= {f"validation.{name}": value for name, value in validated.items() if name != MADE_FROM}
    check_gates(values, params.gates, lambda: worst_records(case))


if __name__ == "__main__":
    run_stage(main)
