"""Synthetic trials -> how valid, faithful, diverse, private and free of leakage they are; then the gates."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import read_json, read_parquet, write_csv, write_json
from trialforge.core.made_from import name_plots, name_tables, only_figures
from trialforge.core.params import load_section, load_seed
from trialforge.core.progress import QUIET_SECONDS, Progress
from trialforge.core.stage import claim_out, run_stage
from trialforge.quality.case import Case
from trialforge.quality.measurement import (
    STEPS,
    build_case,
    check_records,
    draw_run,
    measure_records,
)
from trialforge.quality.params import QualityParams
from trialforge.validation.params import ValidationParams

TABLES = ("train", "validation", "test", "held_back", "drafts", "exemplars", "reasons")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("synthetic", type=Path)
    for name in (*TABLES, "validated"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True)
    for name in ("metrics", "plots"):
        parser.add_argument(f"--{name}", type=claim_out, required=True)
    paths = parser.parse_args(argv)

    case = read_case(paths)
    with Progress("measures", STEPS, quiet_seconds=QUIET_SECONDS) as progress:
        measured = measure_records(case, progress.step)
    plots = {paths.plots / f"{name}.csv": table for name, table in measured.tables.items()}
    plots[paths.plots / "measures.csv"] = measured.measures
    for path, table in plots.items():
        write_csv(table, path)
    belongs = name_tables(paths.synthetic, paths.train) | name_plots(*plots)
    write_json(measured.metrics | belongs, paths.metrics)
    check_records(case, measured, only_figures(read_json(paths.validated)))


def read_case(paths: argparse.Namespace) -> Case:
    """Return the measurement; of a large corpus only what is drawn is in memory."""
    files = {name: getattr(paths, name) for name in TABLES}
    sections = load_section(QualityParams, "quality"), load_section(ValidationParams, "validation")
    run = draw_run(files, sections[0].max_reference, load_seed())
    return build_case(read_parquet(paths.synthetic), run, *sections, load_seed())


if __name__ == "__main__":
    run_stage(main)
