"""Plan, exemplars and reasons -> one draft a target, checked and with its lineage."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import polars as pl

from trialforge.core.files import read_parquet, write_json, write_parquet
from trialforge.core.made_from import name_tables
from trialforge.core.params import load_section
from trialforge.core.stage import claim_out, run_stage
from trialforge.core.version import VERSION
from trialforge.generation.asking import StageAsking
from trialforge.generation.drafts import PROMPTS, DraftWriter, assign_sets, generated_row, measure_drafts
from trialforge.generation.exemplars import exemplar_rows
from trialforge.generation.params import GenerationParams
from trialforge.generation.prompts import prompt_hash
from trialforge.generation.record import GENERATED_SCHEMA
from trialforge.llm.factory import load_generator
from trialforge.llm.params import LlmParams
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.checks.record_checks import record_checks
from trialforge.trial.checks.reference import learn_reference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("reasons", type=Path)
    parser.add_argument("train", type=Path)
    parser.add_argument("--generated", type=claim_out, required=True)
    parser.add_argument("--metrics", type=claim_out, required=True)
    args = parser.parse_args()
    params, llm = load_section(GenerationParams, "generation"), load_section(LlmParams, "llm")
    bounds = load_section(CheckParams, "checks")
    targets = assign_sets(read_parquet(args.plan), read_parquet(args.reasons)).to_dicts()
    train = read_parquet(args.train)
    exemplars = exemplar_rows(train, targets)
    reference = learn_reference(train)
    checks = record_checks(bounds, exemplars, reference)
    writer = DraftWriter(exemplars, params, llm.context_tokens, checks, reference)
    generator = load_generator(llm)
    origin = {
        "model": generator.model,
        "engine": generator.engine,
        "version": VERSION,
        "prompt_hash": prompt_hash(*PROMPTS),
        "sampling": json.dumps(params.sampling.model_dump(), sort_keys=True),
    }
    with StageAsking("generate", generator, writer.part_sizes(targets), at_once=llm.slots) as asking:
        drafts = writer.write(targets, asking)
    rows = [generated_row(draft, origin) for draft in drafts]
    write_parquet(pl.DataFrame(rows, schema=GENERATED_SCHEMA), args.generated)
    write_json(measure_drafts(drafts, asking.tally) | name_tables(args.generated), args.metrics)


if __name__ == "__main__":
    run_stage(main)
