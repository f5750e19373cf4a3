"""Test trials -> how the language model says that they ended, asked outright and without any training."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import read_parquet, write_parquet
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.generation.asking import ask_for_stage
from trialforge.generation.zero_shot import (
    ZeroShotParams,
    add_unasked,
    ask_outcomes,
    choose_trials,
    zero_shot_rows,
)
from trialforge.llm.factory import load_generator
from trialforge.llm.params import LlmParams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("test", type=Path)
    parser.add_argument("--answers", type=claim_out, required=True)
    args = parser.parse_args()
    params = load_section(ZeroShotParams, "zero_shot")
    seed, llm = load_seed(), load_section(LlmParams, "llm")
    test = read_parquet(args.test)
    trials = choose_trials(test, params, seed).to_dicts()
    questions = ask_outcomes(trials, params, seed)
    generator = load_generator(llm)
    answers, _ = ask_for_stage(
        "zero-shot", generator, questions, params.sampling, retries=0, at_once=llm.slots
    )
    write_parquet(add_unasked(zero_shot_rows(trials, answers, params), test), args.answers)


if __name__ == "__main__":
    run_stage(main)
