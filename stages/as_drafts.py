"""Held-back real trials -> the same trials in the form of a draft: what a generator could say of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import read_parquet, write_parquet
from trialforge.core.params import load_section
from trialforge.core.stage import claim_out, run_stage
from trialforge.generation.draft_form import as_drafts
from trialforge.generation.fields import DraftFields


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", type=Path)
    parser.add_argument("--drafts", type=claim_out, required=True)
    args = parser.parse_args()
    fields = load_section(DraftFields, "generation").fields
    write_parquet(as_drafts(read_parquet(args.trials), fields), args.drafts)


if __name__ == "__main__":
    run_stage(main)
