"""The language model asked outright how test trials ended: what it knows without any training.

One call a trial and order of the two answers, and not a token is drawn: the score is the odds of the two
answers among the first tokens that the model holds likely. This is a measurement at the end of the pipeline.
Nothing flows back from it into what is generated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from trialforge.core.errors import GenerationError
from trialforge.core.params import Section
from trialforge.core.rng import random_stream
from trialforge.generation.prompts import neutralize, render, target_line
from trialforge.llm.backend import Completion, Message, TokenLogprob
from trialforge.trial.label_words import LABEL_WORDS

PROMPT = "zero-shot.jinja"
OUTCOMES = (LABEL_WORDS[0], LABEL_WORDS[1])
# A small model prefers the word that it read first or last: over both orders that is no answer.
ORDERS = (OUTCOMES, OUTCOMES[::-1])
# `logprobs` has, by order, what the model gives each outcome, null where it names it not.
ZERO_SHOT_SCHEMA: dict[str, pl.DataType] = {
    "nct_id": pl.String(), "label": pl.Int64(), "score": pl.Float64(),
    "logprobs": pl.List(pl.Struct(dict.fromkeys(OUTCOMES, pl.Float64()))), "model_digest": pl.String(),
}  # fmt: skip
Z_95 = 1.959964


class ZeroShotParams(Section):
    """How many test trials are asked about: as many as the interval of the ROC-AUC needs, or all."""

    half_width: float | None = Field(default=0.1, gt=0, lt=0.5)


def _labelled(test: pl.DataFrame) -> pl.DataFrame:
    return test.filter(pl.col("label").is_not_null()).sort("nct_id")


def count_needed(available: tuple[int, int], half_width: float) -> tuple[int, int]:
    """Return how many trials of each label a 95% interval of so wide a half needs, at most the `available`.

    The interval is that of a model that knows nothing: a ROC-AUC of a trials against b then has the variance
    (a + b + 1) / (12ab) of the Mann-Whitney statistic. Half of each label is the cheapest; where one has too
    few, the other gives more.
    """
    precision = 12 * (half_width / Z_95) ** 2
    even = math.ceil((1 + math.sqrt(1 + precision)) / precision)
    rare = min(even, *available)
    beyond = rare * precision - 1  # where it is not positive, no number of the other label is enough
    other = math.ceil((rare + 1) / beyond) if beyond > 0 else max(available)
    first, second = (min(count, rare if count == min(available) else other) for count in available)
    return first, second


def choose_trials(test: pl.DataFrame, params: ZeroShotParams, seed: int) -> pl.DataFrame:
    """Return the labelled test trials that are asked about, by id: all, or as many as needed, drawn."""
    labelled = _labelled(test)
    if params.half_width is None:
        return labelled
    places = [np.flatnonzero(labelled["label"].to_numpy() == label) for label in (0, 1)]
    counts = count_needed((places[0].size, places[1].size), params.half_width)
    stream = random_stream(seed, "zero-shot", "trials")
    drawn = [stream.choice(have, count, replace=False) for have, count in zip(places, counts, strict=True)]
    return labelled.select(pl.all().gather(np.sort(np.concatenate(drawn))))


def ask_outcomes(trials: Sequence[Mapping[str, Any]]) -> list[tuple[Message, ...]]:
    """Return a chat for each trial and order; those about one trial share the start of their prompt."""
    return [render(PROMPT, record=_tell(trial), options=options) for trial in trials for options in ORDERS]


def _tell(trial: Mapping[str, Any]) -> str:
    named = [item["name"] for item in trial["interventions"] or []][:3]
    title = f"Title: {neutralize(trial['title'] or '')}"
    return f"{title}\n{target_line(', '.join(named), trial['conditions'] or [], trial['phase'])}"


def find_logprob(tokens: Sequence[TokenLogprob], word: str) -> float | None:
    """Return the log probability that an answer begins as `word` does, in any case; None if no token does.

    Vocabularies cut words: "success" may begin with "success", "Succ" or "s".
    """
    starts = [item.logprob for item in tokens if begins(item.token, word)]
    return float(np.logaddexp.reduce(starts)) if starts else None


def begins(token: str, word: str) -> bool:
    """Tell whether a token is a start of a word, quotes and emphasis aside."""
    start = token.strip(" \n\t*\"'`").casefold()
    return bool(start) and word.startswith(start)


def log_odds(tokens: Sequence[TokenLogprob]) -> float:
    """Return the log odds of success against failure in one answer.

    What is not among the tokens told is at most as likely as the least likely of them, and counts as that:
    so odds are never larger than they are known to be.
    """
    least = min(item.logprob for item in tokens)
    failure, success = (least if (said := find_logprob(tokens, word)) is None else said for word in OUTCOMES)
    return success - failure


def zero_shot_rows(trials: Sequence[Mapping[str, Any]], answers: Sequence[Completion]) -> pl.DataFrame:
    """Return ZERO_SHOT_SCHEMA rows: a trial's score is the probability that the mean log odds stand for.

    Raises:
        GenerationError: the model names no outcome of any trial, so that there are no odds.
    """
    rows = []
    for place, trial in enumerate(trials):
        asked = [answer.first_tokens for answer in answers[place * len(ORDERS) : (place + 1) * len(ORDERS)]]
        said = [{word: find_logprob(tokens, word) for word in OUTCOMES} for tokens in asked]
        mean = sum(map(log_odds, asked)) / len(asked)
        score = 1 / (1 + math.exp(-mean))
        rows.append((trial["nct_id"], trial["label"], score, said, answers[place * len(ORDERS)].model_digest))
    if rows and not any(value is not None for row in rows for order in row[3] for value in order.values()):
        raise GenerationError(
            f"the model answers neither {' nor '.join(OUTCOMES)} about any of {len(rows)} trials",
            hint="use a different llm.model that follows instructions",
        )
    return pl.DataFrame(rows, schema=ZERO_SHOT_SCHEMA, orient="row")


def add_unasked(rows: pl.DataFrame, test: pl.DataFrame) -> pl.DataFrame:
    """Return a ZERO_SHOT_SCHEMA row for each labelled test trial, by id; one not asked about has no score."""
    every = _labelled(test).select("nct_id", "label")
    return every.join(rows.drop("label"), on="nct_id", how="left", maintain_order="left")
