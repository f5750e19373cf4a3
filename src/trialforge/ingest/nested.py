"""The list columns of a batch: built from flat columns, so that cleaning is one expression a field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from trialforge.ingest import clean
from trialforge.ingest.faults import Faults, Rule
from trialforge.ingest.raw import RawTrial
from trialforge.trial.record import TRIAL_SCHEMA

LIST_FIELDS = ("conditions", "keywords", "condition_mesh", "intervention_mesh", "countries")


class _Rules(NamedTuple):
    """What a part needs to be kept, and which of its fields has a vocabulary."""

    required: str | None = None
    word: str | None = None
    vocabulary: str = ""


_PARTS = {
    "interventions": _Rules("name", "type", "intervention_type"),
    "arms": _Rules("label", "type", "arm_type"),
    "primary_outcomes": _Rules("measure"),
    "secondary_outcomes": _Rules("measure"),
    "primary_analyses": _Rules(None, "hypothesis", "hypothesis"),
}
PART_FIELDS = tuple(_PARTS)


def list_column(raws: Sequence[RawTrial], name: str) -> pl.Series:
    """Return a column of lists of strings, each one line, empty ones left out."""
    return _string_lists([getattr(raw, name) for raw in raws], name, markdown=False)


def part_column(raws: Sequence[RawTrial], name: str, faults: Faults, *, markdown: bool) -> pl.Series:
    """Return a column of lists of parts, as interventions; what has no name is set aside."""
    rules = _PARTS[name]
    parts = [part for raw in raws for part in getattr(raw, name)]
    schema = _part_schema(name)
    columns = [pl.Series("row", [row for row, raw in enumerate(raws) for _ in getattr(raw, name)], pl.Int64)]
    for field, kind in schema.items():
        values = [getattr(part, field) for part in parts]
        text = kind == pl.String
        columns.append(
            pl.Series(field, values, pl.String) if text else _string_lists(values, field, markdown=markdown)
        )
    texts = [field for field, kind in schema.items() if kind == pl.String]
    flat = pl.DataFrame(columns).with_columns(clean.clean_line(pl.col(texts), markdown=markdown))
    if rules.word:
        word = clean.parse_word(pl.col(rules.word), rules.vocabulary)
        flat = faults.replace(flat, [Rule(rules.word, word, f"unknown-{rules.vocabulary.replace('_', '-')}")])
    if rules.required:
        faults.add(
            flat, pl.col(rules.required).is_null(), "nameless-part", f"{name} without {rules.required}"
        )
        flat = flat.drop_nulls(rules.required)
    grouped = flat.group_by("row", maintain_order=True).agg(pl.struct(*schema).alias(name))
    return _gather(grouped, len(raws), name, TRIAL_SCHEMA[name])


def _part_schema(name: str) -> dict[str, Any]:
    kind = TRIAL_SCHEMA[name]
    if not isinstance(kind, pl.List) or not isinstance(kind.inner, pl.Struct):
        raise TypeError(f"{name} is no list of parts")
    return dict(kind.inner.to_schema())


def _string_lists(lists: Sequence[list[str]], name: str, *, markdown: bool) -> pl.Series:
    rows = pl.Series("row", [row for row, items in enumerate(lists) for _ in items], pl.Int64)
    items = pl.Series(name, [item for items in lists for item in items], pl.String)
    flat = pl.DataFrame([rows, items]).lazy().with_columns(clean.clean_line(pl.col(name), markdown=markdown))
    grouped = flat.drop_nulls(name).group_by("row", maintain_order=True).agg(name).collect()
    return _gather(grouped, len(lists), name, pl.List(pl.String()))


def _gather(grouped: pl.DataFrame, height: int, name: str, kind: pl.DataType) -> pl.Series:
    """Spread lists by row over all rows; a row without one has an empty list."""
    rows = pl.DataFrame({"row": pl.int_range(height, dtype=pl.Int64, eager=True)})
    spread = rows.join(grouped, on="row", how="left", maintain_order="left")
    return spread.select(pl.coalesce(pl.col(name).cast(kind), pl.lit([], dtype=kind)).alias(name)).to_series()
