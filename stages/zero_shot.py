"""Test trials -> how the language model says that they ended, asked outright and without any training."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.files import read_parquet, write_parquet
from trialforge.core.params import load_section, load_seed
from trialforge.core.stage import claim_out, run_stage
from trialforge.generation.asking import ask_first_tokens
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
    test = read_parquet(args.test)
    trials = choose_trials(test, params, load_seed()).to_dicts()
    generator = load_generator(load_section(LlmParams, "llm"))
    answers = ask_first_tokens("zero-shot", generator, ask_outcomes(trials))
    write_parquet(add_unasked(zero_shot_rows(trials, answers), test), args.answers)


if __name__ == "__main__":
    run_stage(main)
