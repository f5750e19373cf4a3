"""All metrics, plots and samples -> one page for a person, and the data set's card."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import write_text
from trialforge.core.params import load_section, read_params
from trialforge.core.stage import claim_out, run_stage
from trialforge.reporting.card import build_card
from trialforge.reporting.inputs import read_inputs
from trialforge.reporting.params import ReportParams
from trialforge.reporting.report import build_report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--plots", type=Path, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--out", type=claim_out, required=True)
    args = parser.parse_args()
    params = load_section(ReportParams, "report")
    inputs = read_inputs(args.data, args.metrics, args.plots, read_params())
    write_text(build_report(inputs, params, args.lock.read_text(encoding="utf-8")), args.out / "index.html")
    if (records := inputs.tables.get("synthetic")) is not None:
        write_text(build_card(inputs, records), args.out / "card.md")


if __name__ == "__main__":
    run_stage(main)
