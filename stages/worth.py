"""Blocks of real trials and what was written from them -> what a synthetic trial is worth in real ones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.core.files import read_parquet, write_csv, write_json
from trialforge.core.made_from import name_plots, name_tables
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.learning.examples import make_examples
from trialforge.learning.params import LearningParams
from trialforge.learning.tables import make_tables
from trialforge.study.answer import ROW_SCHEMA, answer, say, tabulate
from trialforge.study.params import StudyParams
from trialforge.study.study import SKELETON_FIELDS, make_corpus, run_study
from trialforge.trial.draft_fields import DraftFields
from trialforge.trial.draft_form import as_drafts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("synthetic", type=Path)
    for name in ("plan", "blocks", "train", "validation", "test"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--metrics", type=claim_out, required=True)
    parser.add_argument("--arms", type=claim_out, required=True)
    args = parser.parse_args()
    params, learning = load_section(StudyParams, "study"), load_section(LearningParams, "learning")
    blocks = read_parquet(args.blocks)
    table = pl.DataFrame(schema=ROW_SCHEMA)
    figures: dict[str, Any] = {"blocks": blocks["block"].n_unique()}
    if blocks.height:
        parts = {part: read_parquet(getattr(args, part)) for part in ("train", "validation", "test")}
        synthetic = read_parquet(args.synthetic)
        drafts = as_drafts(parts["train"], load_section(DraftFields, "generation").fields)
        tables = make_tables(parts, learning.fields, synthetic, None, drafts)
        skeletons = make_examples(as_drafts(synthetic, SKELETON_FIELDS), learning.fields)
        corpus = make_corpus(tables, parts["test"], blocks, synthetic, read_parquet(args.plan), skeletons)
        result = run_study(corpus, params, learning, load_seed())
        table = tabulate(result, params)
        figures |= answer(result, table, params)
        figures["answer"] = say(figures, params.level)
    write_csv(table, args.arms)
    write_json(figures | name_tables(args.synthetic) | name_plots(args.arms), args.metrics)


if __name__ == "__main__":
    run_stage(main)
