"""Is the text of a record plain English of a trial, and does it name nothing that exists?"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from trialforge.core.plain_text import NO_TEXT
from trialforge.trial.naming import NAME_RULES, find_names
from trialforge.trial.text import trial_text
from trialforge.validation.params import ValidationParams
from trialforge.validation.validity import Check, is_true

TEXT = "checked_text"
PROSE = ("summary", "criteria", "detailed_description")
LONG_WORDS = 20

_STOP_WORDS = (
    "the", "of", "and", "to", "in", "a", "or", "with", "for", "is", "be", "by", "on", "at", "are", "as",
    "will", "no", "not", "from", "that", "this", "an", "who", "have", "has", "than", "must", "any", "all",
)  # fmt: skip
# Common words of other languages that are no English ones: Romance, Germanic, Polish, Turkish.
_FOREIGN_WORDS = (
    "de", "la", "el", "los", "las", "del", "que", "en", "un", "una", "por", "con", "para", "se", "su",
    "como", "da", "dos", "em", "ao", "na", "uma", "com", "não", "os", "ou", "les", "des", "et", "du",
    "dans", "pour", "avec", "une", "au", "aux", "qui", "par", "sur", "sont", "il", "di", "che", "della",
    "dei", "delle", "gli", "nel", "der", "das", "und", "mit", "nicht", "von", "oder", "bei", "für", "den",
    "dem", "ein", "eine", "ist", "sind", "zu", "het", "een", "van", "niet", "voor", "zijn", "op", "och",
    "att", "som", "med", "eller", "på", "się", "nie", "oraz", "lub", "przez", "ve", "bir", "için", "ile",
    "olan", "veya",
)  # fmt: skip
_TELEPHONE = (
    r"(?:\+\d{1,3}[\s.-]?\(?\d{1,4}\)?(?:[\s.-]?\d{2,4}){2,4}|\(\d{3}\)\s?\d{3}[\s.-]\d{4}|"
    r"\b(?:1[-.\s])?\d{3}[-.]\d{3}[-.]\d{4}\b|\b1-8\d\d-[A-Z0-9-]{7,8}\b|"
    r"(?i:\b(?:tel|telephone|phone|fax|call)\b[.:]?\s*\+?\(?\d[\d\s().-]{6,}\d))"
)
_PERSON = (
    r"\b(?:Dr|Prof|Professor|Mr|Mrs|Ms|Doctor)\.?\s+(?:[A-Z]\.\s*)*[A-Z][a-z]{2,}|"
    r"\b[A-Z][a-z]+\s+(?:[A-Z]\.?\s+)?[A-Z][a-z]+,?\s+(?:M\.?D|Ph\.?D|MBBS|FRCP|MPH|PharmD|DO)\b|"
    r"(?i:\b(?:principal investigator|study (?:chair|director|coordinator)|contact(?: person)?)\s*:)\s*[A-Z]"
)
_ECHO = (
    r"(?i)<\|?(?:im_start|im_end|endoftext|system|user|assistant)\|?>|\[/?INST\]|"
    r"###\s*(?:instruction|response|input)|"
    r"\bas an? (?:AI|artificial intelligence|language model|assistant)\b|"
    r"\byou are (?:a|an) (?:\w+\s){0,4}(?:assistant|expert|writer|model)\b|"
    r"\b(?:write|generate|create|return|output) (?:a|an|one|the) (?:\w+\s){0,3}"
    r"(?:synthetic|JSON|clinical trial record)\b|\bJSON (?:object|schema|format)\b|\bexemplars?\b|"
    r"\bsynthetic (?:clinical )?trial\b|\bhere is (?:a|an|the|your)\b.{0,40}\b(?:trial|record|JSON)\b|"
    r"\bI(?:'m| am) (?:sorry|unable|not able)\b"
)
_BOILERPLATE = (
    r"(?i)lorem ipsum|\[(?:insert|placeholder|your|name|drug|condition|todo)[^\]]*\]|"
    r"<(?:insert|placeholder|name|drug)[^>]*>|\bX{3,}\b|\b(?:TBD|TODO|FIXME)\b|\{\{|\}\}|\{[a-z]+_[a-z_]+\}|"
    r"\bplaceholder\b|(?:\b(?:string|text|example)\b[\s,.;]*){3,}"
)


# The checks that a real trial fails truly: it names what exists.
NAMING = (*NAME_RULES, "telephone", "person")


def content_checks(params: ValidationParams) -> list[Check]:
    """Return the checks of language, degenerate text and real-looking names; they read column TEXT."""
    text = pl.col(TEXT)
    # Each long text alone as well: beside a long record a faulty field weighs little.
    parts = {name: _long_text(pl.col(name)) for name in PROSE} | {TEXT: text}
    repeats = [is_true(repetition(part) > params.max_repetition) for part in parts.values()]
    # Lists of criteria may be of nouns alone: there only words of another language tell.
    sentences = [part for name, part in parts.items() if name != "criteria"]
    wordless = [is_true(word_share(part, _STOP_WORDS) < params.min_stop_words) for part in sentences]
    foreign = [foreign_language(pl.col(name)) for name in PROSE]
    return [
        Check("not_english", pl.any_horizontal(*wordless, *foreign, foreign_script(text))),
        Check("repetition", pl.any_horizontal(repeats)),
        Check("control_characters", is_true(text.str.contains(NO_TEXT))),
        Check("boilerplate", is_true(text.str.contains(_BOILERPLATE))),
        Check("prompt_echo", is_true(text.str.contains(_ECHO))),
        Check("telephone", is_true(text.str.contains(_TELEPHONE))),
        Check("person", is_true(text.str.contains(_PERSON))),
        *(Check(name, is_true(found)) for name, found in find_names(text).items()),
    ]


def add_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the records with their text as column TEXT."""
    return frame.with_columns(trial_text().alias(TEXT))


def _long_text(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.count_matches(r"\S+") >= LONG_WORDS).then(text)


def _words(text: pl.Expr) -> pl.Expr:
    return text.str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]+")


def word_share(text: pl.Expr, known: Sequence[str]) -> pl.Expr:
    """Return the share of words that are among `known`; common English ones are about .3 of a trial's."""
    return _words(text).list.eval(pl.element().is_in(known)).list.mean()


def foreign_language(text: pl.Expr) -> pl.Expr:
    """Return whether a text has three common words of other languages or more, and fewer English ones."""
    foreign, english = word_share(text, _FOREIGN_WORDS), word_share(text, _STOP_WORDS)
    return is_true((foreign > english) & (foreign * _words(text).list.len() > 2.5))


def foreign_script(text: pl.Expr) -> pl.Expr:
    """Return whether more than a tenth of the letters are of another script than Latin or Greek."""
    foreign = text.str.count_matches(r"[\p{L}--\p{Latin}--\p{Greek}]")
    return is_true(foreign > 0.1 * text.str.count_matches(r"\p{L}"))


def repetition(text: pl.Expr, length: int = 4) -> pl.Expr:
    """Return the share of the text's n-grams of `length` words that have stood in it before."""
    words = _words(text)
    runs = words.list.eval(
        pl.concat_str([pl.element().shift(-place) for place in range(length)], separator=" ").drop_nulls()
    )
    return 1 - runs.list.n_unique() / runs.list.len()
