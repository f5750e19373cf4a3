"""One rendering of prose, so that real and synthetic texts differ in words and not in layout."""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from trialforge.trial.criteria import stays_item
from trialforge.trial.criteria_lists import join_criteria, split_criteria
from trialforge.trial.record import TRIAL_SCHEMA

_PROSE = ("title", "official_title", "summary", "detailed_description")
_LONGEST_NUMBER = 12  # characters


def canonical_criteria(text: str | None) -> str | None:
    """Return criteria as two lists under the registry's headings; a side without items has no heading.

    A text that no item can be read from keeps its words. `canonical_criteria` of its own result is equal.
    """
    if text is None or not any(map(str.isalpha, text)):
        return " ".join((text or "").split()) or None
    lists = [[item for item in items if _says_something(item)] for items in split_criteria(text)]
    if not any(lists):
        line = " ".join(text.split())
        return line if line == text else canonical_criteria(line)  # on one line it may read as an item
    joined = join_criteria(*lists)
    # An item may read as a heading, or without a second number, once what stood before it is gone; and two
    # together as a table, or as emphasised.
    inclusion, exclusion = lists
    stays = (
        not any(sign in joined for sign in ("|", "**"))
        and all(stays_item(item, "inclusion") for item in inclusion)
        and all(stays_item(item, "exclusion") for item in exclusion)
    )
    return joined if stays or joined == text else canonical_criteria(joined)


def _says_something(item: str) -> bool:
    """An item of a few characters may be the number of an item that is not there: "b.", "ii)"."""
    return any(map(str.isalnum, item)) and (len(item) > _LONGEST_NUMBER or _reads_as_item(item))


@lru_cache(maxsize=4096)
def _reads_as_item(short: str) -> bool:
    return any(split_criteria(f"- {short}"))


def canonical(trials: pl.DataFrame) -> pl.DataFrame:
    """Return trials with criteria as two lists and without line breaks in other texts."""
    criteria = pl.Series("criteria", [canonical_criteria(text) for text in trials["criteria"]], pl.String)
    prose = [squeeze(pl.col(name)).alias(name) for name in _PROSE]
    lists = [
        pl.col(name).list.eval(
            pl.struct(
                squeeze(pl.element().struct.field(part)).alias(part)
                if dtype == pl.String
                else pl.element().struct.field(part)
                for part, dtype in TRIAL_SCHEMA[name].inner.to_schema().items()  # type: ignore[attr-defined]
            )
        )
        for name in ("interventions", "arms", "primary_outcomes", "secondary_outcomes")
    ]
    return trials.with_columns(criteria, *prose, *lists)


def squeeze(text: pl.Expr) -> pl.Expr:
    """Return an expression: a text on one line, without spaces at its ends; null where nothing is left."""
    line = text.str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(line.str.len_chars() > 0).then(line)
