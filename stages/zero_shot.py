"""Test trials -> how the language model says that they ended, asked outright and without any training."""

from __future__ import annotations

import argparse
from pathlib import Path

from trialforge.core.errors import run_stage
from trialforge.core.files import read_parquet, write_parquet
from trialforge.core.params import load_section, load_seed
from trialforge.generation.attempts import Tally, ask_all
from trialforge.generation.timings import write_timings
from trialforge.generation.zero_shot import (
    ZeroShotParams,
    add_unasked,
    ask_outcomes,
    choose_trials,
    zero_shot_rows,
)
from trialforge.llm.factory import load_generator
from trialforge.llm.params import LlmParams
from trialforge.llm.progress import CallProgress, clean_interrupt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("test", type=Path)
    parser.add_argument("--answers", type=Path, required=True)
    args = parser.parse_args()
    params = load_section(ZeroShotParams, "zero_shot")
    seed = load_seed()
    test = read_parquet(args.test)
    trials = choose_trials(test, params, seed).to_dicts()
    questions = ask_outcomes(trials, params, seed)
    generator, tally = load_generator(load_section(LlmParams, "llm")), Tally()
    try:
        with CallProgress("zero-shot answers", len(questions)) as progress:
            answers = ask_all(generator, questions, params.sampling, 0, tally, progress.report)
    finally:
        generator.close()
    write_parquet(add_unasked(zero_shot_rows(trials, answers, params), test), args.answers)
    write_timings("zero-shot", tally, progress.seconds)


if __name__ == "__main__":
    with clean_interrupt("zero-shot"):
        run_stage(main)
