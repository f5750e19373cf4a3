"""A trial as text: the one place, so that index, prompt and classifier read the same words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from trialforge.trial.record import TEXT_FIELDS, TRIAL_SCHEMA, facet

_WORD = re.compile(r"[^\W_]+")
SENTENCE_END = re.compile(r"(?<=[a-z0-9)][.!?])\s+(?=[A-Z])")


def plain_text(text: str) -> str:
    """Return the words of a text, without case and marks."""
    return " ".join(_WORD.findall(text.casefold()))


def word_ngrams(text: str, length: int) -> set[tuple[str, ...]]:
    """Return the n-grams of so many words of a text, without case and marks."""
    words = plain_text(text).split()
    return set(zip(*(words[start:] for start in range(length)), strict=False))


def _joined(*parts: pl.Expr, separator: str = " ") -> pl.Expr:
    return pl.concat_str(parts, separator=separator, ignore_nulls=True)


def _bracketed(expr: pl.Expr, opening: str = "(", closing: str = ")") -> pl.Expr:
    return pl.when(expr.str.len_chars() > 0).then(pl.concat_str(pl.lit(opening), expr, pl.lit(closing)))


def _intervention(element: pl.Expr) -> pl.Expr:
    field = element.struct.field
    named = _joined(field("type"), field("name"), separator=": ")
    aliases = pl.concat_str(pl.lit("also known as "), field("other_names").list.join(", "))
    has_alias = field("other_names").list.len() > 0
    return _joined(
        named, _bracketed(pl.when(has_alias).then(aliases)), _bracketed(field("description"), "- ", "")
    )


def _arm(element: pl.Expr) -> pl.Expr:
    field = element.struct.field
    given = pl.when(field("interventions").list.len() > 0).then(field("interventions").list.join(", "))
    named = _joined(field("type"), field("label"), separator=": ")
    return _joined(named, _bracketed(given), _bracketed(field("description"), "- ", ""))


def _endpoint(element: pl.Expr) -> pl.Expr:
    field = element.struct.field
    return _joined(
        field("measure"),
        _bracketed(field("time_frame"), "[", "]"),
        _bracketed(field("description"), "- ", ""),
    )


_ELEMENTS = {
    "interventions": _intervention,
    "arms": _arm,
    "primary_outcomes": _endpoint,
    "secondary_outcomes": _endpoint,
}


def field_text(name: str) -> pl.Expr:
    """Return an expression: field `name` as text without its heading, null where it has no value."""
    column = pl.col(name)
    if name in _ELEMENTS:
        text = column.list.eval(_ELEMENTS[name](pl.element())).list.join("; ")
    elif isinstance(TRIAL_SCHEMA[name], pl.List):
        text = column.list.join("; ")
    elif TRIAL_SCHEMA[name] == pl.Boolean:
        text = pl.when(column).then(pl.lit("Yes")).when(~column).then(pl.lit("No"))
    elif TRIAL_SCHEMA[name] == pl.Float64:
        text = pl.concat_str(column.round(2).cast(pl.String).str.strip_suffix(".0"), pl.lit(" years"))
    else:
        text = column.cast(pl.String)
    return pl.when(text.str.len_chars() > 0).then(text).alias(name)


def trial_text(fields: Iterable[str] = TEXT_FIELDS) -> pl.Expr:
    """Return an expression: the headed fields of each trial, one a line, absent ones left out."""
    headed = [pl.concat_str(pl.lit(f"{facet(name).heading}: "), field_text(name)) for name in fields]
    return pl.concat_str(headed, separator="\n", ignore_nulls=True).alias("text")


def field_texts(frame: pl.DataFrame, fields: Sequence[str]) -> pl.Series:
    """Return the text of each record in the given fields; empty where it has none."""
    return frame.select(trial_text(fields).fill_null("").alias("text"))["text"]


def filled_fields(frame: pl.DataFrame, share: float = 0.5) -> tuple[str, ...]:
    """Return the text fields that at least `share` of the records fill: like is compared with like."""
    return keep_filled(frame, {name: trial_text([name]) for name in TEXT_FIELDS}, share)


def keep_filled(frame: pl.DataFrame, texts: Mapping[str, pl.Expr], share: float) -> tuple[str, ...]:
    """Return the names of the texts that at least `share` of the records have."""
    filled = frame.select((text.str.len_chars() > 0).sum().alias(name) for name, text in texts.items())
    return tuple(name for name in texts if filled[name].item() >= share * max(len(frame), 1))
