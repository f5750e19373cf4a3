"""Where people write free text in a trial, and how to read or change all of it at once."""

from __future__ import annotations

from collections.abc import Callable

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
    """Return trials with each free text changed; `change` keeps the length and the order of its texts."""
    changed = trials.with_columns(change(trials[name]).alias(name) for name in TEXTS)
    return changed.with_columns(_map_parts(trials[name], change) for name in NESTED_TEXTS)


def free_texts(trials: pl.DataFrame) -> pl.Series:
    """Return every free text of trials, without nulls."""
    return numbered_texts(trials)["text"]


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


def _map_parts(column: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Return a column of lists of records with the free texts of each record changed."""
    numbered = column.alias("item").to_frame().with_row_index("row")
    items = numbered.explode("item").filter(pl.col("item").is_not_null())
    fields = items["item"].struct.unnest()
    fields = fields.with_columns(change(fields[part]).alias(part) for part in NESTED_TEXTS[column.name])
    whole = items.select("row").with_columns(fields.to_struct("item"))
    lists = whole.group_by("row", maintain_order=True).agg("item")
    empty = numbered.select("row", empty=pl.col("item").list.len() == 0)
    back = empty.join(lists, on="row", how="left", maintain_order="left")
    none = pl.lit([], dtype=column.dtype)
    return back.select(pl.when("empty").then(none).otherwise("item").alias(column.name)).to_series()
