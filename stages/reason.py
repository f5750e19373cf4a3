"""Exemplars -> reasons why such trials succeeded or failed, asked once for each exemplar set."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import polars as pl

from trialforge.core.files import read_parquet, write_json, write_parquet
from trialforge.core.made_from import name_tables
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.generation.asking import ask_for_stage
from trialforge.generation.exemplars import exemplar_rows, exemplar_sets
from trialforge.generation.params import ReasoningParams
from trialforge.generation.prompts import prompt_hash
from trialforge.generation.reasons import (
    PROMPT,
    REASONS_SCHEMA,
    ask_reasons,
    measure_reasons,
    reasons_row,
)
from trialforge.generation.support import Background
from trialforge.llm.factory import load_generator
from trialforge.llm.params import LlmParams
from trialforge.trial.generation_arms import WITHOUT_REASONS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("exemplars", type=Path)
    parser.add_argument("train", type=Path)
    parser.add_argument("--reasons", type=claim_out, required=True)
    parser.add_argument("--metrics", type=claim_out, required=True)
    args = parser.parse_args()
    params, llm = load_section(ReasoningParams, "reasoning"), load_section(LlmParams, "llm")
    seed = load_seed()
    sets = exemplar_sets(
        read_parquet(args.plan), read_parquet(args.exemplars), count=params.exemplars, share=params.share
    ).to_dicts()
    train = read_parquet(args.train)
    trials = exemplar_rows(train, sets)
    background = Background(train, seed, trials)
    questions = [
        []
        if group["arm"] in WITHOUT_REASONS
        else ask_reasons(
            group,
            [trials[name] for name in group["exemplars"]],
            background,
            params,
            seed,
            llm.context_tokens,
        )
        for group in sets
    ]
    generator = load_generator(llm)
    flat = [question for asked in questions for question in asked]
    answers, tally = ask_for_stage(
        "reason", generator, flat, params.sampling, params.retries, at_once=llm.slots
    )
    left = iter(answers)
    rows = [
        reasons_row(group, [*islice(left, len(asked))], prompt_hash(PROMPT))
        for group, asked in zip(sets, questions, strict=True)
    ]
    write_parquet(pl.DataFrame(rows, schema=REASONS_SCHEMA), args.reasons)
    write_json(measure_reasons(rows, tally) | name_tables(args.reasons), args.metrics)


if __name__ == "__main__":
    run_stage(main)
