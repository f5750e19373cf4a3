"""Strings of a record -> text, dates, ages, numbers and words of the vocabularies, as expressions.

Both shapes of a record say the same in other letters: the legacy XML wraps and indents its
paragraphs, API v2 writes Markdown. What comes out of here is equal for both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, get_args

import polars as pl

from trialforge.trial.record import (
    Allocation,
    ArmType,
    InterventionModel,
    InterventionType,
    Masking,
    Phase,
    PrimaryPurpose,
    Sex,
    SponsorClass,
    Status,
    StudyType,
)

_BULLET = r"(?m)^[ \t]*[-*•·‣]\s+"
_ESCAPED = r"\\([!-/:-@\[-`{-~])"
_SPACE = r" *[^\S ]\s*| {2,}"
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{FFFE}\x{FFFF}]"


def clean_block(text: pl.Expr, *, markdown: bool) -> pl.Expr:
    """Return paragraphs and list items, one a line, list items as `- item`; null where nothing is left.

    In XML a single line break only wraps a line, and an empty line ends a paragraph; in Markdown
    each line break stands, and a backslash takes a character literally.
    """
    if markdown:
        text = text.str.replace_all(_CONTROL, " ").str.replace_all(r"\s*\n\s*", "\n")
        text = text.str.replace_all(r" *[^\S \n][^\S\n]*| {2,}", " ")
    else:
        text = text.str.replace_all(_CONTROL, " ").str.replace_all(r"\s*\n\s*\n\s*", "\x00")
        text = text.str.replace_all(_SPACE, " ")
        text = text.str.replace_all("\x00", "\n", literal=True)
    text = text.str.strip_chars().str.replace_all(_BULLET, "- ")
    return _non_empty(text.str.replace_all(_ESCAPED, "$1") if markdown else text)


def clean_line(text: pl.Expr, *, markdown: bool) -> pl.Expr:
    """Return text as one line; null where nothing is left."""
    text = text.str.replace_all(_CONTROL, " ").str.strip_chars().str.replace_all(_BULLET, "- ")
    text = text.str.replace_all(_SPACE, " ")
    return _non_empty(text.str.replace_all(_ESCAPED, "$1") if markdown else text)


def _non_empty(text: pl.Expr) -> pl.Expr:
    # Not `when(text != "").then(text)`: it would work out the text twice.
    return text.str.strip_chars().replace("", None)


# Forms of a date, the most frequent first; `before` and `after` make a whole date of a part of one.
# `1 Mar-19` would also pass for `%d %B %Y`, as a year before Christ.
_DATES = (
    ("", "%Y-%m-%d", ""), ("", "%Y-%m-%d", "-01"), ("", "%B %d, %Y", ""), ("1 ", "%d %B-%y", ""),
    ("1 ", "%d %B %Y", ""), ("", "%Y-%m-%d", "-01-01"), ("", "%d %B %Y", ""), ("", "%d-%B-%y", ""),
    ("", "%Y%m%d", ""), ("", "%Y/%m/%d", ""), ("", "%d.%m.%Y", ""),
)  # fmt: skip
# What a text must look like where the form alone would take a year of fewer digits.
_SHAPES = {"%Y%m%d": r"^\d{8}$", "%Y/%m/%d": r"^\d{4}/", "%d.%m.%Y": r"\.\d{4}$"}


def parse_date(text: pl.Expr) -> pl.Expr:
    """Return the date that a text names, the first day where it has only a month or a year; null for others.

    Read are `September 20, 1999`, `Sep 20, 1999`, `20 September 1999`, `1999-09-20` (with or without a
    time), `1999/09/20`, `19990920`, `20.09.1999`, `20-Sep-99`, `September 1999`, `1999-09`, `Sep-99` and
    `1999`. `02/03/2015` may be two days.
    """
    return text.map_batches(_parse_dates, return_dtype=pl.Date)


def _parse_dates(texts: pl.Series) -> pl.Series:
    texts = texts.str.replace(r"^(\d{4}-\d{2}-\d{2})[T ]\d{2}:.*$", "$1")
    days = pl.Series(texts.name, [None], pl.Date).new_from_index(0, len(texts))
    for before, form, after in _DATES:
        left = texts.set(days.is_not_null(), None)
        if left.null_count() == len(left):
            break
        whole = pl.select(pl.concat_str(pl.lit(before), left, pl.lit(after))).to_series()
        if shape := _SHAPES.get(form):
            whole = whole.set(~whole.str.contains(shape), None)
        days = days.zip_with(days.is_not_null(), whole.str.to_date(form, strict=False))
    return days


def parse_count(text: pl.Expr) -> pl.Expr:
    """Return the whole number of `60`, `60.0` and `1,200`; null for others."""
    digits = text.str.extract(r"^(\d+|\d{1,3}(?:,\d{3})+)(?:\.0*)?$")
    return digits.str.replace_all(",", "", literal=True).cast(pl.Int64, strict=False)


def state_enrolment(status: pl.Expr | None) -> pl.Expr:
    """Return whether an enrolment is planned or actual, for records that do not say which.

    Of a trial that may have ended the number tells how it ended, so it counts as actual.
    """
    if status is None:
        return pl.lit("actual")
    still_open = parse_word(status, "status").is_in(
        ["Not yet recruiting", "Recruiting", "Enrolling by invitation", "Active, not recruiting"]
    )
    return pl.when(still_open).then(pl.lit("estimated")).otherwise(pl.lit("actual"))


_YEARS = {"year": 1.0, "month": 12.0, "week": 365.25 / 7, "day": 365.25, "hour": 8766.0, "minute": 525960.0}


def parse_age(text: pl.Expr) -> pl.Expr:
    """Return an age in years of `18 Years`, `6 Months` and the like; null for others."""
    found = text.str.to_lowercase().str.extract_groups(
        r"^(\d{1,9}(?:\.\d{1,9})?) ?(year|month|week|day|hour|minute)s?$"
    )
    a_year = found.struct.field("2").replace_strict(_YEARS, default=None, return_dtype=pl.Float64)
    return found.struct.field("1").cast(pl.Float64) / a_year


def stated_age(text: pl.Expr) -> pl.Expr:
    """Return the age as it stands; null where the record says that there is no limit."""
    return pl.when(text.str.to_lowercase().is_in(["n/a", "none", "no limit"]).not_()).then(text)


def parse_yes_no(text: pl.Expr) -> pl.Expr:
    """Return True for `Yes`, `true` and `Accepts ...`, False for `No` and `false`, null for others."""
    words = text.str.to_lowercase()
    yes = words.is_in(["yes", "true", "t"]) | words.str.starts_with("accepts")
    return pl.when(yes).then(True).when(words.is_in(["no", "false", "f"])).then(False)


# Words of either shape that are not the record's own, spelt as `_key` spells them.
_ALIASES: dict[str, dict[str, str]] = {
    "study_type": {"observationalpatientregistry": "Observational"},
    "masking": {"nomasking": "None", "openlabel": "None", "singleblind": "Single", "doubleblind": "Double"},
    "primary_purpose": {"educationalcounselingtraining": "ECT"},
    "sex": {"both": "All"},
    "sponsor_class": {
        "usfed": "Federal", "fed": "Federal", "othergov": "Other Government", "indiv": "Individual",
        "ambig": "Ambiguous",
    },
    "status": {"unknown": "Unknown status"},
    "hypothesis": {
        "superiorityorotherlegacy": "Superiority or Other",
        "noninferiorityorequivalencelegacy": "Non-Inferiority or Equivalence",
    },
}  # fmt: skip
_WORDS: dict[str, Any] = {
    "study_type": StudyType, "allocation": Allocation, "masking": Masking, "sex": Sex,
    "intervention_model": InterventionModel, "primary_purpose": PrimaryPurpose, "sponsor_class": SponsorClass,
    "status": Status, "intervention_type": InterventionType, "arm_type": ArmType,
    "hypothesis": Literal[
        "Superiority", "Non-Inferiority", "Equivalence", "Other", "Superiority or Other",
        "Non-Inferiority or Equivalence",
    ],
}  # fmt: skip


def parse_word(text: pl.Expr, vocabulary: str) -> pl.Expr:
    """Return the record's own word for `Double (Investigator)`, `DOUBLE` and the like; null for others."""
    if vocabulary == "phase":
        return _map_distinct(text, _parse_phase)
    words = {_key(word): word for word in get_args(_WORDS[vocabulary])} | _ALIASES.get(vocabulary, {})
    return _map_distinct(
        text, lambda said: words.get(_key(re.sub(r"\(.*$| assignment\s*$|:.*$", "", said.lower())))
    )


def _map_distinct(text: pl.Expr, parse: Callable[[str], str | None]) -> pl.Expr:
    """Return what `parse` makes of each text; it is asked once for texts that are equal."""

    def apply(texts: pl.Series) -> pl.Series:
        known = {said: parse(said) for said in texts.unique().drop_nulls()}
        return texts.replace_strict(known, default=None, return_dtype=pl.String)

    return text.map_batches(apply, return_dtype=pl.String)


_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
_PHASES: dict[tuple[str, ...], Phase] = {
    ("0",): "Early Phase 1", ("1", "early"): "Early Phase 1",
    ("1",): "Phase 1", ("1", "2"): "Phase 1/Phase 2", ("2",): "Phase 2", ("2", "3"): "Phase 2/Phase 3",
    ("3",): "Phase 3", ("4",): "Phase 4", ("na",): "N/A", ("a", "n"): "N/A", ("applicable", "not"): "N/A",
}  # fmt: skip


def _parse_phase(text: str) -> Phase | None:
    """Return the phase of `Phase II`, `PHASE2/PHASE1`, `Phase 2a`, `Early Phase 1` and the like."""
    words = re.sub(r"phase|[^a-z0-9]+", " ", text.lower()).split()
    numbers = (re.sub(r"(?<=[\div])[abc]$", "", word) for word in words if word != "and")
    return _PHASES.get(tuple(sorted({_ROMAN.get(number, number) for number in numbers})))


def _key(word: str) -> str:
    return "".join(letter for letter in word.lower() if letter.isalnum())
