"""Metrics and plot rows gathered into the small tables that a reader compares by eye."""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from trialforge.reporting.blocks import Cell, Table, format_cell, name_words

_MODE = re.compile(r"(?P<task>\w+)\.(?P<mode>lexical|dense|hybrid|random)\.mrr")
# What each group of measures asks, in the order in which a reader should see them.
GROUPS = {
    "fidelity": "Fidelity: are they like real trials?",
    "diversity": "Diversity: are they unlike each other?",
    "memorisation": "Memorisation: are words of real trials repeated?",
    "privacy": "Privacy: are they nearer to training trials than unseen real trials are?",
    "membership": "Membership: can one tell what the model was shown?",
    "leakage": "Leakage: does text tell the label, or anything of the test trials?",
}


def count_table(metrics: Mapping[str, Cell], group: str, caption: str, heading: str) -> list[Table]:
    """Return the counts `group.NAME` of a metrics file as a table with shares; none where there are none."""
    counts = {
        name.removeprefix(f"{group}."): value
        for name, value in metrics.items()
        if name.startswith(f"{group}.") and isinstance(value, int)
    }
    total = sum(counts.values())
    rows = [(name, count, f"{count / total:.0%}") for name, count in counts.items()] if total else []
    return [Table(caption, (heading, "Trials", "Share"), rows)] if rows else []


def year_rows(ingest: Mapping[str, Cell]) -> pl.DataFrame:
    """Return `year` and `trials`, from the counts `year.YYYY` of metrics/ingest.json."""
    counts = [
        (name.removeprefix("year."), value) for name, value in ingest.items() if name.startswith("year.")
    ]
    return pl.DataFrame(counts, schema=["year", "trials"], orient="row")


def mode_rows(retrieval: Mapping[str, Cell]) -> pl.DataFrame:
    """Return `task`, `mode`, `mrr`, `low`, `high`, from metrics/retrieval.json."""
    rows = []
    for name, value in retrieval.items():
        if (found := _MODE.fullmatch(name)) is not None:
            bounds = [retrieval.get(f"{name}.{bound}") for bound in ("low", "high")]
            rows.append((f"by {found['task']}", found["mode"], value, *bounds))
    return pl.DataFrame(rows, schema=["task", "mode", "mrr", "low", "high"], orient="row")


def _interval(low: Cell, high: Cell) -> str:
    return "" if low is None or high is None else f"{format_cell(low)} to {format_cell(high)}"


def measure_tables(measures: pl.DataFrame | None) -> list[Table]:
    """Return one table a group of plots/quality/measures.csv: value, interval, ceiling, worst, direction."""
    if measures is None or "metric" not in measures.columns:
        return []
    headings = ("Measure", "Value", "95% interval", "Real trials", "Random text", "Better is")
    tables = []
    for group, caption in GROUPS.items():
        rows = [
            (
                name_words(row["metric"].removeprefix(f"{group}.")),
                row["value"],
                _interval(row.get("low"), row.get("high")),
                row.get("ceiling"),
                row.get("worst"),
                row["direction"],
            )
            for row in measures.iter_rows(named=True)
            if row["metric"].startswith(f"{group}.")
        ]
        if rows:
            tables.append(Table(caption, headings, rows, wide=True))
    return tables


def arm_table(arms: pl.DataFrame | None) -> list[Table]:
    """Return ROC-AUC of each arm by classifier, with intervals, from plots/learning/arms.csv."""
    if arms is None:
        return []
    areas = arms.filter(pl.col("metric") == "roc_auc")
    models = areas["model"].unique(maintain_order=True).to_list()
    cells = {
        (row["arm"], row["model"]): f"{row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        for row in areas.iter_rows(named=True)
    }
    names = areas["arm"].unique(maintain_order=True).to_list()
    rows = [(arm, *(cells.get((arm, model)) for model in models)) for arm in names]
    caption = "ROC-AUC on unseen real trials by training mix, mean over seeds with interval"
    return [Table(caption, ("Arm", *models), rows, wide=True)]


ARM_WORDS: tuple[tuple[str, str], ...] = (
    ("none", "nothing learned: one answer for all"),
    ("real", "the real training trials"),
    ("synthetic", "synthetic trials alone"),
    ("augmented", "real and synthetic trials together (the paper's “hybrid”)"),
    ("shuffled", "control: synthetic trials under shuffled labels; nothing may be learned from them"),
    ("duplicated", "control: as many real trials again instead of synthetic ones"),
    ("word-dropout", "control: as many real trials with words left out"),
)


def arm_words(arms: pl.DataFrame | None) -> list[Table]:
    """Return what each arm of this run trains on."""
    there = set() if arms is None else set(arms["arm"].to_list())
    rows = [(name, words) for name, words in ARM_WORDS if name in there]
    return [Table("What the arms are", ("Arm", "Trained on"), rows, closed=True)] if rows else []


def order_arms(table: pl.DataFrame, primary: Cell) -> pl.DataFrame:
    """Return a table of plots/learning/ with the primary classifier first and its arms in reading order."""
    if not {"arm", "model"} <= set(table.columns):
        return table
    places = {name: place for place, (name, _) in enumerate(ARM_WORDS)}
    place = pl.col("arm").replace_strict(places, default=len(places), return_dtype=pl.Int64)
    keys = [pl.col("model") != str(primary), pl.col("model"), place]
    return table.sort(keys, maintain_order=True)
