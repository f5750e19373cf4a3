"""Strings of a record -> text, dates, ages, numbers and words of the vocabularies, as expressions.

Both shapes of a record say the same in other letters: the legacy XML wraps and indents its
paragraphs, API v2 writes Markdown. What comes out of here is equal for both.
"""

from __future__ import annotations

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


def parse_date(text: pl.Expr) -> pl.Expr:
    """Return a date of `September 20, 1999`, `June 1994`, `1999-09-20` or `1994-06`; null for others."""
    first = pl.concat_str(text, pl.lit("-01"))
    first_named = pl.concat_str(pl.lit("1 "), text)
    return pl.coalesce(
        text.str.to_date("%Y-%m-%d", strict=False),
        first.str.to_date("%Y-%m-%d", strict=False),
        text.str.to_date("%B %d, %Y", strict=False),
        first_named.str.to_date("%d %B %Y", strict=False),
    )


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
    yes = words.is_in(["yes", "true"]) | words.str.starts_with("accepts")
    return pl.when(yes).then(True).when(words.is_in(["no", "false"])).then(False)


# Words of either shape that are not the record's own, spelt as `_key` spells them.
_ALIASES: dict[str, dict[str, str]] = {
    "phase": {"phase0": "Early Phase 1"},
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
    "phase": Phase, "study_type": StudyType, "allocation": Allocation, "masking": Masking, "sex": Sex,
    "intervention_model": InterventionModel, "primary_purpose": PrimaryPurpose, "sponsor_class": SponsorClass,
    "status": Status, "intervention_type": InterventionType, "arm_type": ArmType,
    "hypothesis": Literal[
        "Superiority", "Non-Inferiority", "Equivalence", "Other", "Superiority or Other",
        "Non-Inferiority or Equivalence",
    ],
}  # fmt: skip


def parse_word(text: pl.Expr, vocabulary: str) -> pl.Expr:
    """Return the record's own word for `Double (Investigator)`, `DOUBLE` and the like; null for others."""
    key = text.str.to_lowercase().str.replace(r"\(.*$", "").str.replace(r" assignment\s*$", "")
    words = {_key(word): word for word in get_args(_WORDS[vocabulary])} | _ALIASES.get(vocabulary, {})
    return key.str.replace_all("[^a-z0-9]+", "").replace_strict(words, default=None, return_dtype=pl.String)


def _key(word: str) -> str:
    return "".join(letter for letter in word.lower() if letter.isalnum())
