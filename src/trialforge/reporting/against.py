"""Two runs side by side: the figures that changed, and the records that are new or gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from trialforge.core.files import Number
from trialforge.reporting.answer import Headline
from trialforge.reporting.blocks import Cell, Figure, ReportSection, Table, format_cell, name_words
from trialforge.reporting.records import browse_records
from trialforge.reporting.render import render_page
from trialforge.trial.label_words import label_word


@dataclass(frozen=True, slots=True)
class Run:
    """The part of a run that is compared.

    Attributes:
        name: the revision, or a name for this checkout.
        metrics: `stage.metric` -> value.
        records: its synthetic trials; None if they are not available.
    """

    name: str
    metrics: Mapping[str, Number]
    records: pl.DataFrame | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two runs.

    Attributes:
        moved: `stage.metric`, value then, value now; sorted by name.
        equal: how many figures did not change.
        new: the records that only the newer run has.
        gone: the records that only the older run has.
        kept: how many records both have; None if those of one run are not available.
    """

    moved: list[tuple[str, Number, Number]]
    equal: int
    new: pl.DataFrame
    gone: pl.DataFrame
    kept: int | None


def compare_runs(then: Run, now: Run) -> Difference:
    """Return how `now` differs from `then`; equal ids mean equal records, as an id names the content."""
    names = sorted({*then.metrics, *now.metrics})
    values = [(name, then.metrics.get(name), now.metrics.get(name)) for name in names]
    moved = [row for row in values if row[1] != row[2]]
    columns = ("nct_id", "intervention", "label", "title")
    if then.records is None or now.records is None:
        none = pl.DataFrame(schema=columns)
        return Difference(moved, len(values) - len(moved), none, none, None)
    old, new = (
        run.select(
            "nct_id", "intervention", label_word(pl.col("label"), "no label").alias("label"), "title"
        ).sort("intervention", "label", "nct_id")
        for run in (then.records, now.records)
    )
    added, gone = new.join(old, on="nct_id", how="anti"), old.join(new, on="nct_id", how="anti")
    return Difference(moved, len(values) - len(moved), added, gone, new.height - added.height)


def change_rows(difference: Difference, stage: str = "") -> list[tuple[Cell, ...]]:
    """Return the figures that changed (of one stage): name, value then, value now, and the change."""
    moved = [row for row in difference.moved if row[0].startswith(f"{stage}.") or not stage]
    return [(name_words(name), then, now, _by(then, now)) for name, then, now in moved]


def _by(then: Number, now: Number) -> Cell:
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in (then, now)):
        return None
    change = now - then  # type: ignore[operator]
    return ("+" if change > 0 else "") + format_cell(change)


def build_comparison(then: Run, now: Run, tables: Mapping[str, pl.DataFrame], most_records: int) -> str:
    """Return the page; its browser shows the new records.

    Args:
        then: the older run.
        now: the newer one.
        tables: the tables of the newer run, as the report reads them.
        most_records: the largest number of records on the page.
    """
    difference = compare_runs(then, now)
    kept = difference.kept
    records = (
        f"{kept} records are the same, {difference.new.height} are new and {difference.gone.height} are gone."
        if kept is not None
        else f"The records of {then.name} or {now.name} are not in the cache; run: dvc fetch --all-commits"
    )
    headings = ("Figure", then.name, now.name, "Change")
    sides = (("summary", "Summary"), ("", "All figures that changed"))
    moved = [
        Table(caption, headings, change_rows(difference, stage), closed=not stage, wide=True)
        for stage, caption in sides
    ]
    lists = [
        Table(caption, ("Id", "Intervention", "Label", "Title"), frame.rows(), closed=True, wide=True)
        for caption, frame in (("New records", difference.new), ("Records gone", difference.gone))
        if frame.height
    ]
    new = set(difference.new["nct_id"])
    shown = {
        name: table.filter(pl.col("nct_id").is_in(sorted(new)))
        if name in {"generated", "rejected"}
        else table
        for name, table in tables.items()
    }
    browsed: dict[str, Any] = browse_records(shown, most_records)
    return render_page(
        title=f"trialforge: {then.name} and {now.name}",
        badge=f"Two runs: {then.name} and {now.name}",
        answer=Headline(
            f"{len(difference.moved)} of {len(difference.moved) + difference.equal} figures changed",
            [records, "The records below are the new ones."],
            [Figure("new records", difference.new.height), Figure("records gone", difference.gone.height)],
        ),
        sections=[
            ReportSection("figures", "Figures", "What each run measured.", tables=moved),
            ReportSection("changes", "New records and records gone", records, tables=lists),
        ],
        records=browsed,
    )
