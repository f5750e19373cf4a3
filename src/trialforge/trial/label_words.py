"""How an outcome label is said."""

from __future__ import annotations

from typing import Literal

import polars as pl

LABEL_WORDS = {1: "success", 0: "failure"}
LabelWording = Literal["plain", "positive", "negative"]
# In a prompt: of a trial, and of trials as a verb.
_WORDINGS: dict[LabelWording, dict[int, tuple[str, str]]] = {
    "plain": {1: (LABEL_WORDS[1], "succeeded"), 0: (LABEL_WORDS[0], "failed")},
    "positive": {1: ("success", "succeeded"), 0: ("no success", "did not succeed")},
    "negative": {1: ("no failure", "did not fail"), 0: ("failure", "failed")},
}


def label_word(label: pl.Expr, unlabelled: str) -> pl.Expr:
    """Return an expression: the word of a label, or `unlabelled` where there is none."""
    return label.cast(pl.Int64).replace_strict(LABEL_WORDS, default=unlabelled, return_dtype=pl.String)


def told_label(arm: str, label: int | None) -> int | None:
    """Return the label that prompts of a generation arm tell; none where a teacher will give the labels."""
    return None if arm == "label-free" else label


def label_line(label: int | None, wording: LabelWording) -> str:
    """Return the line that tells a trial's outcome label."""
    return f"Outcome: {'not known' if label is None else _WORDINGS[wording][label][0]}"


def label_verb(label: int, wording: LabelWording) -> str:
    """Return what trials of this label did, as in `trials that succeeded`."""
    return _WORDINGS[wording][label][1]
