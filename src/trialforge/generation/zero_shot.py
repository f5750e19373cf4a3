"""The language model asked outright how test trials ended: what it knows without any training.

This is a measurement at the end of the pipeline. Nothing flows back from it into what is generated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from trialforge.core.params import Section
from trialforge.core.rng import derive_seed, random_stream
from trialforge.generation.asking import Answer, Fault, Question
from trialforge.generation.prompts import neutralize, render, target_line
from trialforge.llm.backend import Sampling
from trialforge.trial.label_words import LABEL_WORDS

PROMPT = "zero-shot.jinja"
OUTCOMES = (LABEL_WORDS[0], LABEL_WORDS[1])
ZERO_SHOT_SCHEMA: dict[str, pl.DataType] = {
    "nct_id": pl.String(), "label": pl.Int64(), "score": pl.Float64(), "answers": pl.List(pl.Int64()),
    "model_digest": pl.String(),
}  # fmt: skip


class ZeroShotParams(Section):
    """How many test trials are asked about, how often each, and how much of its summary is shown."""

    trials: int | None = Field(default=None, ge=10)
    answers: int = Field(default=2, ge=1, le=100)
    summary_characters: int = Field(default=100, ge=0)
    sampling: Sampling = Sampling(temperature=1.0, max_tokens=8)


def _labelled(test: pl.DataFrame) -> pl.DataFrame:
    return test.filter(pl.col("label").is_not_null()).sort("nct_id")


def choose_trials(test: pl.DataFrame, params: ZeroShotParams, seed: int) -> pl.DataFrame:
    """Return the labelled test trials that are asked about, by id: all, or `trials` of them, drawn."""
    labelled = _labelled(test)
    if params.trials is None or params.trials >= labelled.height:
        return labelled
    drawn = random_stream(seed, "zero-shot", "trials").choice(labelled.height, params.trials, replace=False)
    return labelled.select(pl.all().gather(np.sort(drawn)))


def ask_outcome(trial: Mapping[str, Any], turn: int, params: ZeroShotParams, seed: int) -> Question[int]:
    """Return one question about a trial, its answer a label; odd turns name the outcomes the other way round.

    A small model prefers the word that it read first or last: over both orders that is no answer.
    """
    named = [item["name"] for item in trial["interventions"] or []][:3]
    lines = [
        f"Title: {neutralize(trial['title'] or '')}",
        target_line(", ".join(named), trial["conditions"] or [], trial["phase"]),
        f"Summary: {neutralize(trial['summary'] or '')[: params.summary_characters]}",
    ]
    options = OUTCOMES if turn % 2 else OUTCOMES[::-1]
    messages = render(PROMPT, record="\n".join(lines), options=options)
    schema = {"type": "string", "enum": list(OUTCOMES)}
    return Question(messages, schema, derive_seed(seed, "zero-shot", trial["nct_id"], turn), read_outcome)


def read_outcome(text: str) -> int:
    """Return the label that an answer names.

    Raises:
        Fault: it names none.
    """
    try:
        return OUTCOMES.index(json.loads(text))
    except ValueError as error:
        raise Fault("not_schema") from error


def ask_outcomes(
    trials: Sequence[Mapping[str, Any]], params: ZeroShotParams, seed: int
) -> list[Question[int]]:
    """Return all questions: those about one trial follow each other, and share the start of their prompt."""
    return [ask_outcome(trial, turn, params, seed) for trial in trials for turn in range(params.answers)]


def zero_shot_rows(
    trials: Sequence[Mapping[str, Any]], answers: Sequence[Answer[int]], params: ZeroShotParams
) -> pl.DataFrame:
    """Return ZERO_SHOT_SCHEMA rows: the score of a trial is the share of its answers that say success."""
    rows = []
    for place, trial in enumerate(trials):
        asked = answers[place * params.answers : (place + 1) * params.answers]
        said = [answer.value for answer in asked if answer.value is not None]
        score = sum(said) / len(said) if said else 0.5
        rows.append((trial["nct_id"], trial["label"], score, said, asked[0].model_digest))
    return pl.DataFrame(rows, schema=ZERO_SHOT_SCHEMA, orient="row")


def add_unasked(rows: pl.DataFrame, test: pl.DataFrame) -> pl.DataFrame:
    """Return a ZERO_SHOT_SCHEMA row for each labelled test trial, by id; one not asked about has no score."""
    every = _labelled(test).select("nct_id", "label")
    return every.join(rows.drop("label"), on="nct_id", how="left", maintain_order="left")
