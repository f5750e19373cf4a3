"""Exemplars -> reasons why such trials succeeded or failed, asked once for each exemplar set."""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

from trialforge.core.errors import run_stage
from trialforge.core.files import read_parquet, write_json, write_parquet
from trialforge.core.params import load_section, load_seed
from trialforge.generation.attempts import Tally, ask_all
from trialforge.generation.exemplar_sets import exemplar_sets
from trialforge.generation.reasoning import PROMPT, REASONS_SCHEMA, ask_reasons, measure_reasons, reasons_row
from trialforge.generation.reasoning_params import ReasoningParams
from trialforge.generation.rendering import prompt_hash
from trialforge.generation.timings import write_timings
from trialforge.llm.factory import load_generator
from trialforge.llm.params import LlmParams
from trialforge.llm.progress import CallProgress, clean_interrupt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("exemplars", type=Path)
    parser.add_argument("train", type=Path)
    parser.add_argument("--reasons", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    args = parser.parse_args()
    params, llm = load_section(ReasoningParams, "reasoning"), load_section(LlmParams, "llm")
    seed = load_seed()
    sets = exemplar_sets(
        read_parquet(args.plan), read_parquet(args.exemplars), count=params.exemplars, share=params.share
    ).to_dicts()
    shown = {name for group in sets for name in group["exemplars"]}
    train = {
        row["nct_id"]: row
        for row in read_parquet(args.train).filter(pl.col("nct_id").is_in(shown)).to_dicts()
    }
    asked = [group for group in sets if group["arm"] != "no-reasoning"]
    questions = [
        ask_reasons(
            group["intervention"],
            group["label"],
            [train[name] for name in group["exemplars"]],
            params,
            seed,
            llm.context_tokens,
        )
        for group in asked
    ]
    generator, tally = load_generator(llm), Tally()
    try:
        with CallProgress("reasons", len(questions)) as progress:
            answers = ask_all(generator, questions, params.sampling, params.retries, tally, progress.report)
    finally:
        generator.close()
    answered = dict(zip((id(group) for group in asked), answers, strict=True))
    rows = [reasons_row(group, answered.get(id(group)), prompt_hash(PROMPT)) for group in sets]
    write_parquet(pl.DataFrame(rows, schema=REASONS_SCHEMA), args.reasons)
    write_json(measure_reasons(rows, tally), args.metrics)
    write_timings("reason", tally, progress.seconds)


if __name__ == "__main__":
    with clean_interrupt("reason"):
        run_stage(main)
