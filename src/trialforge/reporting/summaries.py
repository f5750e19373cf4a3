"""Small tables of metrics and plot rows for the report."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from trialforge.reporting.blocks import Cell, Table, format_cell, frame_table, name_words, pick, was_made
from trialforge.reporting.measures import MEASURES, Measure
from trialforge.trial.label_words import label_word

_SETS = {"": "synthetic", "_real": "real", "_as_drafts": "real as drafts"}
_MODE = re.compile(r"(?P<task>\w+)\.(?P<mode>lexical|dense|hybrid|random)\.mrr")
_AGREEMENT = re.compile(r"label_agreement\.[a-z]+_[a-z]+_n")
# The question that each group of measures answers, in reading order.
GROUPS = {
    "fidelity": "Fidelity: are they like real trials?",
    "diversity": "Diversity: are they unlike each other?",
    "copies": "Copies: do fields repeat more of real trials than real trials do?",
    "memorisation": "Memorisation: do they repeat text of real trials?",
    "privacy": "Privacy: are they closer to training trials than unseen real trials are?",
    "membership": "Membership: do they reveal what the model was shown?",
    "leakage": "Leakage: does the text reveal the label, or anything about test trials?",
}


def count_table(metrics: Mapping[str, Cell], group: str, caption: str, heading: str) -> list[Table]:
    """Return the counts `group.NAME` of a metrics file as a table with shares; nothing if there are none."""
    counts = {
        name.removeprefix(f"{group}."): value
        for name, value in metrics.items()
        if name.startswith(f"{group}.") and isinstance(value, int)
    }
    total = sum(counts.values())
    rows = [(name, count, f"{count / total:.0%}") for name, count in counts.items()] if total else []
    return [Table(caption, (heading, "Trials", "Share"), rows)] if rows else []


def agreement_table(ingest: Mapping[str, Cell]) -> list[Table]:
    """Return how well each two sources of labels agree, from `label_agreement.ONE_OTHER_n` and so on."""
    pairs = [name.removesuffix("_n") for name in ingest if _AGREEMENT.fullmatch(name)]
    rows = [
        (
            " and ".join(pair.removeprefix("label_agreement.").split("_")),
            ingest[f"{pair}_n"],
            ingest.get(f"{pair}_share"),
            ingest.get(f"{pair}_kappa"),
        )
        for pair in pairs
    ]
    headings = ("Sources of labels", "Trials labelled by both", "Share that agree", "Cohen's kappa")
    return [Table("Agreement between sources of labels", headings, rows)] if rows else []


def rate_table(ingest: Mapping[str, Cell], group: str, caption: str, heading: str) -> list[Table]:
    """Return the shares of successes `label_rate.GROUP.NAME.success`, each with its number of trials."""
    prefix = f"label_rate.{group}."
    names = [
        name.removeprefix(prefix).removesuffix(".labelled")
        for name in ingest
        if name.startswith(prefix) and name.endswith(".labelled")
    ]
    rows = [
        (name, ingest[f"{prefix}{name}.labelled"], ingest.get(f"{prefix}{name}.success")) for name in names
    ]
    return [Table(caption, (heading, "Labelled", "Share of successes"), rows)] if rows else []


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


def _interval(low: Cell, high: Cell) -> str | None:
    return None if low is None or high is None else f"{format_cell(low)} to {format_cell(high)}"


def _measure(metric: str) -> Measure:
    """Return the name and sentence of a measure; one of another version gets its metric's name."""
    return MEASURES.get(metric) or Measure(name_words(metric.partition(".")[2]), "")


def measure_tables(measures: pl.DataFrame | None, groups: Sequence[str]) -> list[Table]:
    """Return one table per group of plots/quality/measures.csv: value, interval, ceiling, worst, direction.

    Columns that are empty for the whole group are omitted.
    """
    if measures is None or "metric" not in measures.columns:
        return []
    tables = []
    for group in groups:
        rows = {row["metric"]: row for row in measures.iter_rows(named=True)}

        def value(row: dict[str, Any], ending: str, rows: Mapping[str, Any] = rows) -> Cell:
            return (rows.get(f"{row['metric']}{ending}") or {}).get("value")

        # Values for real trials are shown in the row of the measure.
        beside = {f"{name}{ending}" for name in rows for ending in _SETS if ending}
        found = [row for name, row in rows.items() if name.startswith(f"{group}.") and name not in beside]
        columns = {
            "Measure": [_measure(row["metric"]).name for row in found],
            "Value": [row["value"] for row in found],
            "95% interval": [_interval(row.get("low"), row.get("high")) for row in found],
            "Real trials": [
                pick({"a": row.get("ceiling"), "b": value(row, "_real")}, "a", "b") for row in found
            ],
            "Real as drafts": [value(row, "_as_drafts") for row in found],
            "Random text": [row.get("worst") for row in found],
            "Better is": [row["direction"] for row in found],
        }
        told = {
            heading: cells for heading, cells in columns.items() if any(cell is not None for cell in cells)
        }
        if found:
            cells = list(zip(*told.values(), strict=True))
            notes = [_measure(row["metric"]).sentence for row in found]
            tables.append(Table(GROUPS[group], list(told), cells, wide=True, notes=notes))
    return tables


def view_rows(measures: pl.DataFrame | None) -> dict[str, pl.DataFrame]:
    """Return `view`, `set`, `auc`, `low`, `high` of the three views, from plots/quality/measures.csv."""
    if measures is None or not {"metric", "low", "high"} <= set(measures.columns):
        return {}
    found = {row["metric"]: row for row in measures.iter_rows(named=True)}
    rows = [
        (view, words, row["value"], row["low"], row["high"])
        for view in ("form", "style", "content")
        for ending, words in _SETS.items()
        if (row := found.get(f"fidelity.{view}_auc{ending}")) and row["value"] is not None
    ]
    return {"quality/views": pl.DataFrame(rows, schema=["view", "set", "auc", "low", "high"], orient="row")}


def comparison_table(comparisons: pl.DataFrame | None, role: str, caption: str) -> list[Table]:
    """Return the declared comparisons of a role, from plots/learning/comparisons.csv."""
    if comparisons is None or "role" not in comparisons.columns:
        return []
    rows = [
        (
            row["arm"],
            row["against"],
            row["model"],
            row["effect"],
            _interval(row["low"], row["high"]),
            row["verdict"],
        )
        for row in comparisons.filter(role=role).iter_rows(named=True)
    ]
    headings = ("Arm", "Against", "Classifier", "Change", "95% interval", "Verdict")
    return [Table(caption, headings, rows, wide=True)] if rows else []


def matching_table(matching: pl.DataFrame | None) -> list[Table]:
    """Return how the held-out trials in `Real trials` were matched, from plots/quality/matching.csv."""
    if matching is None or "matched_by" not in matching.columns:
        return []
    caption = "Held-out real trials with a training trial of the same kind"
    return [Table(caption, ("Matched by", "Trials"), list(matching.iter_rows()))]


def point_rows(picture: pl.DataFrame | None) -> dict[str, pl.DataFrame]:
    """Return the rows of both scatter plots of plots/quality/picture.csv, with x and y as last columns."""
    names = {"quality/picture": "tsne", "quality/principal": "pca"}
    if picture is None:
        return {}
    return {
        name: picture.select("set", "nct_id", "label", f"{method}_x", f"{method}_y")
        for name, method in names.items()
        if f"{method}_x" in picture.columns
    }


def _group_diversity(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(_label_words())


def _group_words(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row per set, view and label, with its words in one cell."""
    weighed = pl.format("{} ({})", "word", pl.col("weight").round(2))
    grouped = frame.group_by("set", "view", "label", maintain_order=True)
    return grouped.agg(words=weighed.str.join(", ")).with_columns(_label_words())


def _group_leaks(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the number of records by rule, model and arm, summed over prompts."""
    makers = [name for name in ("model", "arm") if name in frame.columns]
    return frame.group_by("rule", *makers, maintain_order=True).agg(pl.col("records").sum())


def _label_words() -> pl.Expr:
    return label_word(pl.col("label"), "no label").alias("label")


# Tables of plots/quality/ that are not plotted: section, caption, function that shapes the rows.
DETAILS: dict[str, tuple[str, str, Callable[[pl.DataFrame], pl.DataFrame]]] = {
    "diversity": ("fidelity", "Diversity by intervention and label", _group_diversity),
    "fields": ("fidelity", "Share of records that fill each field", lambda frame: frame),
    "label_fidelity": ("fidelity", "Label predicted from each record", lambda frame: frame),
    "label_words": ("fidelity", "Words with the largest weights for each label", _group_words),
    "tells": ("fidelity", "Features that reveal the label most", lambda frame: frame),
    "outcome_leaks": ("fidelity", "Records that reveal an outcome, by rule", _group_leaks),
    "calibration": ("copies", "Values of the measures with planted copies", lambda frame: frame),
}


def detail_tables(plots: Mapping[str, pl.DataFrame], section: str) -> list[Table]:
    """Return the closed tables of a section."""
    found = []
    for name, (place, caption, gather) in DETAILS.items():
        frame = plots.get(f"quality/{name}")
        if place == section and frame is not None and was_made(frame):
            found.append(frame_table(caption, gather(frame), closed=True))
    return found


def arm_table(arms: pl.DataFrame | None, rates: pl.DataFrame | None) -> list[Table]:
    """Return ROC-AUC of each arm by classifier, with intervals, from plots/learning/arms.csv.

    The first rows are the base rates of plots/learning/base-rates.csv, which are the same for every model.
    """
    if arms is None:
        return []
    areas = arms.filter(pl.col("metric") == "roc_auc")
    models = areas["model"].unique(maintain_order=True).to_list()
    known = [] if rates is None or "rate_of" not in rates.columns else rates.iter_rows(named=True)
    rows: list[tuple[Cell, ...]] = [
        (f"base rate of its {row['rate_of']}", *[_area(row, "roc_auc")] * len(models)) for row in known
    ]
    cells = {(row["arm"], row["model"]): _area(row, "mean") for row in areas.iter_rows(named=True)}
    names = areas["arm"].unique(maintain_order=True).to_list()
    rows += [(arm, *(cells.get((arm, model)) for model in models)) for arm in names]
    caption = "ROC-AUC on unseen real trials by training mix: mean over seeds, with interval"
    return [Table(caption, ("Arm", *models), rows, wide=True)]


def _area(row: Mapping[str, Any], value: str) -> str:
    return f"{row[value]:.3f} ({row['low']:.3f} to {row['high']:.3f})"


ARM_WORDS: tuple[tuple[str, str], ...] = (
    ("none", "nothing: the same answer for every trial"),
    ("real", "the real training trials"),
    ("synthetic", "synthetic trials alone"),
    ("augmented", "real and synthetic trials together (the paper's “hybrid”)"),
    ("shuffled", "control: synthetic trials with shuffled labels, from which nothing should be learned"),
    ("duplicated", "control: the same number of repeated real trials instead of synthetic ones"),
    ("word-dropout", "control: the same number of real trials with words removed"),
    ("more-real", "positive control: the same number of real trials that nothing else has read"),
    ("more-real-as-drafts", "positive control: the same trials with the fields and lengths of a draft"),
    ("asked-shares", "as augmented, without weights that match the label shares of real trials"),
    ("equal-shares", "as augmented, with both labels weighted equally"),
)


def arm_words(arms: pl.DataFrame | None) -> list[Table]:
    """Return what each arm of this run trains on."""
    there = set() if arms is None else set(arms["arm"].to_list())
    rows = [(name, words) for name, words in ARM_WORDS if name in there]
    return [Table("What the arms are", ("Arm", "Trained on"), rows, closed=True)] if rows else []


def order_arms(table: pl.DataFrame, primary: Cell) -> pl.DataFrame:
    """Return a table of plots/learning/ with the primary classifier first and arms in reading order."""
    if not {"arm", "model"} <= set(table.columns):
        return table
    places = {name: place for place, (name, _) in enumerate(ARM_WORDS)}
    place = pl.col("arm").replace_strict(places, default=len(places), return_dtype=pl.Int64)
    keys = [pl.col("model") != str(primary), pl.col("model"), place]
    return table.sort(keys, maintain_order=True)
