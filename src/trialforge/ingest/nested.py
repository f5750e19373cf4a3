"""The list columns of a batch: built from flat columns, so that cleaning is one expression a field."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from trialforge.ingest import clean
from trialforge.ingest.faults import Faults, FieldRule
from trialforge.ingest.raw import RawTable, part_schema
from trialforge.trial.record import TRIAL_SCHEMA


class _PartRules(NamedTuple):
    """What a part needs to be kept, and which of its fields has a vocabulary."""

    required: str | None = None
    word: str | None = None
    vocabulary: str = ""


_RULES = {
    "interventions": _PartRules("name", "type", "intervention_type"),
    "arms": _PartRules("label", "type", "arm_type"),
    "primary_outcomes": _PartRules("measure"),
    "secondary_outcomes": _PartRules("measure"),
    "primary_analyses": _PartRules(None, "hypothesis", "hypothesis"),
}


def list_column(table: RawTable, name: str) -> pl.Series:
    """Return a column of lists of strings, each one line, empty ones left out."""
    items = table.lists.get(name)
    if items is None:
        return _no_lists(table, name)
    flat = items.lazy().with_columns(clean.clean_line(pl.col("item"), markdown=False)).drop_nulls("item")
    grouped = flat.group_by("row", maintain_order=True).agg(pl.col("item").alias(name)).collect()
    return _gather(grouped, table.values["row"], name, TRIAL_SCHEMA[name])


def part_column(table: RawTable, name: str, faults: Faults, *, markdown: bool) -> pl.Series:
    """Return a column of lists of parts, as interventions; what has no name is set aside."""
    parts = table.parts.get(name)
    if parts is None:
        return _no_lists(table, name)
    rules, schema = _RULES[name], part_schema(name)
    texts = [field for field, kind in schema.items() if kind == pl.String]
    lists = [field for field in schema if field not in texts]
    flat = parts.with_columns(
        clean.clean_line(pl.col(texts), markdown=markdown),
        *(_clean_items(pl.col(field), markdown=markdown) for field in lists),
    )
    if rules.word:
        word = clean.parse_word(pl.col(rules.word), rules.vocabulary)
        flat = faults.replace(flat, [FieldRule(rules.word, word, f"unknown_{rules.vocabulary}")])
    if rules.required:
        faults.add(
            flat, pl.col(rules.required).is_null(), "nameless_part", f"{name} without {rules.required}"
        )
        flat = flat.drop_nulls(rules.required)
    grouped = flat.group_by("row", maintain_order=True).agg(pl.struct(*schema).alias(name))
    return _gather(grouped, table.values["row"], name, TRIAL_SCHEMA[name])


def _clean_items(items: pl.Expr, *, markdown: bool) -> pl.Expr:
    cleaned = items.list.eval(clean.clean_line(pl.element(), markdown=markdown).drop_nulls())
    return cleaned.fill_null(pl.lit([], dtype=pl.List(pl.String)))


def _no_lists(table: RawTable, name: str) -> pl.Series:
    return pl.Series(name, [[]], TRIAL_SCHEMA[name]).new_from_index(0, table.values.height)


def _gather(grouped: pl.DataFrame, rows: pl.Series, name: str, kind: pl.DataType) -> pl.Series:
    """Spread lists by row over all rows; a row without one has an empty list."""
    spread = rows.to_frame().join(grouped, on="row", how="left", maintain_order="left")
    return spread.select(pl.coalesce(pl.col(name).cast(kind), pl.lit([], dtype=kind)).alias(name)).to_series()
