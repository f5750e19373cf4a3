"""What reveals the outcome of a trial, or a person: found, counted and cut by open rules.

Each rule is a regular expression over one sentence; the sentence that it finds is cut as a whole.
"""

from __future__ import annotations

import polars as pl

from trialforge.trial import REGISTRATION_FIELDS, TRIAL_SCHEMA

OUTCOME_RULES: dict[str, str] = {
    "stopped": r"(?i)\b(?:study|trial|protocol|enrol?lment|recruitment|accrual)\s+(?:was|has been|had been)"
    r"\s+(?:\w+\s+){0,2}?(?:terminated|stopped|halted|suspended|withdrawn|closed|discontinued|cancell?ed)\b",
    "completed": r"(?i)\b(?:study|trial)\s+(?:was|has been|had been)\s+(?:\w+\s+)?completed\b",
    "results": r"(?i)\b(?:results|analysis|analyses|data)\b[^.]{0,40}\b(?:showed|demonstrated|revealed)\b",
}
PERSON_RULES: dict[str, str] = {
    "email": r"(?i)[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
}
FREE_TEXT = ("summary", "detailed_description")


def registration_view(trials: pl.DataFrame) -> pl.DataFrame:
    """Return the registration fields of trials, outcome sentences cut, and whatever else no Trial has."""
    extra = [name for name in trials.columns if name not in TRIAL_SCHEMA]
    return trials.select(*REGISTRATION_FIELDS, *extra).with_columns(
        cut_outcome(pl.col(name)) for name in FREE_TEXT
    )


def cut_outcome(text: pl.Expr) -> pl.Expr:
    """Return text without the sentences that an outcome rule finds."""
    for rule in OUTCOME_RULES.values():
        text = text.str.replace_all(rf"[^.!?\n]*(?:{rule})[^.!?\n]*[.!?]?", "")
    return text
