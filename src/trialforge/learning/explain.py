"""Why a score is what it is: words of a linear model, or fields whose absence changes the score."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from trialforge.learning.classifier import Influence, Scores
from trialforge.trial.record import TEXT_FIELDS, facet

_HEADINGS = "|".join(re.escape(str(facet(name).heading)) for name in TEXT_FIELDS)
_FIELD = re.compile(rf"^(?=(?:{_HEADINGS}): )", re.MULTILINE)


def top_influences(features: Sequence[str], weights: Sequence[float], count: int) -> list[Influence]:
    """Return the `count` features of largest weight in size, the largest first."""
    pairs = sorted(zip(features, weights, strict=True), key=lambda pair: (-abs(pair[1]), pair[0]))
    return [Influence(feature, round(weight, 6)) for feature, weight in pairs[:count]]


def explain_fields(
    predict: Callable[[pl.DataFrame], Scores], examples: pl.DataFrame, count: int
) -> list[list[Influence]]:
    """Return, for each example, the fields whose absence changes its log-odds most (leave one out)."""
    whole = _log_odds(predict(examples))
    answers: list[list[Influence]] = []
    for number, text in enumerate(examples["text"]):
        parts = [part for part in _FIELD.split(text) if part]
        if not parts:  # no text: there is no field to leave out
            answers.append([])
            continue
        without = ["".join(parts[:skip] + parts[skip + 1 :]) for skip in range(len(parts))]
        variants = pl.concat([examples[[number]]] * len(parts)).with_columns(pl.Series("text", without))
        moved = whole[number] - _log_odds(predict(variants))
        answers.append(top_influences([part.split(":", 1)[0] for part in parts], moved.tolist(), count))
    return answers


def _log_odds(probability: Scores) -> Scores:
    bounded = np.clip(probability, 1e-9, 1 - 1e-9)
    odds: Scores = np.log(bounded / (1 - bounded))
    return odds
