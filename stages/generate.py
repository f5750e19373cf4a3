"""Plan, exemplars and reasons -> one draft a target, checked and with its lineage."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import polars as pl

from trialforge.core.errors import run_stage
from trialforge.core.files import read_parquet, write_json, write_parquet
from trialforge.core.params import load_section
from trialforge.generation.attempts import Tally, ask_all
from trialforge.generation.drafting import PROMPT, ask_draft, assign_sets, generated_row, measure_drafts
from trialforge.generation.generation_params import GenerationParams
from trialforge.generation.lineage import GENERATED_SCHEMA
from trialforge.generation.rendering import prompt_hash
from trialforge.generation.timings import write_timings
from trialforge.llm.factory import load_generator
from trialforge.llm.params import LlmParams
from trialforge.llm.progress import CallProgress, clean_interrupt
from trialforge.version import VERSION


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("reasons", type=Path)
    parser.add_argument("train", type=Path)
    parser.add_argument("--generated", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    args = parser.parse_args()
    params, llm = load_section(GenerationParams, "generation"), load_section(LlmParams, "llm")
    targets = assign_sets(read_parquet(args.plan), read_parquet(args.reasons)).to_dicts()
    shown = {name for target in targets for name in target["exemplars"]}
    train = {
        row["nct_id"]: row
        for row in read_parquet(args.train).filter(pl.col("nct_id").is_in(shown)).to_dicts()
    }
    questions = [
        ask_draft(
            target,
            target["reasons"],
            {name: train[name] for name in target["exemplars"]},
            params,
            llm.context_tokens,
        )
        for target in targets
    ]
    generator, tally = load_generator(llm), Tally()
    origin = {
        "model": generator.model,
        "engine": generator.engine,
        "version": VERSION,
        "prompt_hash": prompt_hash(PROMPT),
        "sampling": json.dumps(params.sampling.model_dump(), sort_keys=True),
    }
    try:
        with CallProgress("drafts", len(questions)) as progress:
            answers = ask_all(generator, questions, params.sampling, params.retries, tally, progress.report)
    finally:
        generator.close()
    rows = [
        generated_row(target, answer, origin | {"reasons_id": target["reasons_id"]})
        for target, answer in zip(targets, answers, strict=True)
    ]
    write_parquet(pl.DataFrame(rows, schema=GENERATED_SCHEMA), args.generated)
    write_json(measure_drafts(rows, tally), args.metrics)
    write_timings("generate", tally, progress.seconds)


if __name__ == "__main__":
    with clean_interrupt("generate"):
        run_stage(main)
