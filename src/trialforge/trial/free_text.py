"""Where people write free text in a trial, and how to read or change all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate

import polars as pl

TEXTS = ("title", "official_title", "summary", "detailed_description", "criteria")
REMOVED = "[removed]"  # in the place of what names somebody or something that exists
NESTED_TEXTS = {
    "arms": ("label", "description"),
    "interventions": ("description",),
    "primary_outcomes": ("measure", "description"),
    "secondary_outcomes": ("measure", "description"),
}


def map_free_text(trials: pl.DataFrame, change: Callable[[pl.Series], pl.Series]) -> pl.DataFrame:
    """Return trials with each free text changed; `change` keeps the length and the order of its texts.

    It is called once, with all texts: most of its time on a few texts goes into compiling its patterns.
    """
    parts = {name: _items(trials[name]) for name in NESTED_TEXTS}
    texts = [trials[name] for name in TEXTS]
    texts += [parts[name]["item"].struct.field(part) for name in parts for part in NESTED_TEXTS[name]]
    changed = change(pl.concat(texts))
    ends = list(accumulate(len(each) for each in texts))
    slices = iter([changed[end - len(each) : end] for end, each in zip(ends, texts, strict=True)])
    trials = trials.with_columns(next(slices).alias(name) for name in TEXTS)
    return trials.with_columns(
        _put_back(trials[name], items, {part: next(slices) for part in NESTED_TEXTS[name]})
        for name, items in parts.items()
    )


def numbered_texts(trials: pl.DataFrame) -> pl.DataFrame:
    """Return `row` (of `trials`) and `text`, one row for each free text that is there."""
    numbered = trials.with_row_index("row").lazy()
    flat = [numbered.select("row", text=name) for name in TEXTS]
    nested = [
        numbered.select("row", name).explode(name).select("row", text=pl.col(name).struct.field(part))
        for name, parts in NESTED_TEXTS.items()
        for part in parts
    ]
    return pl.concat([*flat, *nested]).drop_nulls("text").collect()


def _items(column: pl.Series) -> pl.DataFrame:
    """Return `row` and `item`, one row for each record in a column of lists of records."""
    numbered = column.alias("item").to_frame().with_row_index("row")
    return numbered.explode("item").filter(pl.col("item").is_not_null())


def _put_back(column: pl.Series, items: pl.DataFrame, parts: Mapping[str, pl.Series]) -> pl.Series:
    """Return a column of lists of records with some parts of its records replaced."""
    fields = items["item"].struct.unnest().with_columns(**parts)
    whole = items.select("row").with_columns(fields.to_struct("item"))
    lists = whole.group_by("row", maintain_order=True).agg("item")
    empty = column.alias("item").to_frame().select(empty=pl.col("item").list.len() == 0).with_row_index("row")
    back = empty.join(lists, on="row", how="left", maintain_order="left")
    none = pl.lit([], dtype=column.dtype)
    return back.select(pl.when("empty").then(none).otherwise("item").alias(column.name)).to_series()
