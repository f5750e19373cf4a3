"""Counts and lengths of synthetic and real trials, and what became of each target."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from trialforge.reporting.blocks import Cell, was_made
from trialforge.trial.checks.record_checks import explain
from trialforge.trial.text import trial_text

SETS = {"train": "real", "synthetic": "synthetic"}
# Plot -> what is counted in a trial.
COUNTS: dict[str, pl.Expr] = {
    "words": trial_text().str.count_matches(r"\S+"),
    "items": pl.col("criteria").str.count_matches(r"(?m)^\s*- "),
    "endpoints": pl.col("primary_outcomes").list.len() + pl.col("secondary_outcomes").list.len(),
    "arms": pl.col("arms").list.len(),
    "enrolment": pl.col("enrolment_planned"),
}
_BINS = 24
_SHOWN = 0.98  # share of each set that lies on the axis; the rest is given in words


def histogram_rows(tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return, for each count, the columns `set`, `from`, `to`, `share`, `trials` and `beyond`.

    `beyond` is the share of a set that lies above the last bin. A count that a set lacks is omitted.
    """
    if any(name not in tables or tables[name].is_empty() for name in SETS):
        return {}
    values = {
        name: {
            word: tables[table].select(count.cast(pl.Float64)).to_series().drop_nulls().to_numpy()
            for table, word in SETS.items()
        }
        for name, count in COUNTS.items()
    }
    return {
        f"shapes/{name}": _histograms(sets) for name, sets in values.items() if all(map(len, sets.values()))
    }


def _histograms(sets: Mapping[str, np.ndarray]) -> pl.DataFrame:
    last = max(float(np.quantile(values, _SHOWN, method="higher")) for values in sets.values())
    first = min(float(values.min()) for values in sets.values())
    width = max(1.0, np.ceil((last + 1 - first) / _BINS))
    edges = np.arange(first, last + 1 + width, width)
    frames = [
        pl.DataFrame({"from": edges[:-1], "to": edges[1:], "trials": np.histogram(values, edges)[0]}).select(
            pl.lit(word).alias("set"),
            "from",
            "to",
            (pl.col("trials") / len(values)).round(4).alias("share"),
            "trials",
            pl.lit(round(float((values > edges[-1]).mean()), 4)).alias("beyond"),
        )
        for word, values in sets.items()
    ]
    return pl.concat(frames)


def funnel_rows(metrics: Mapping[str, Mapping[str, Cell]]) -> dict[str, pl.DataFrame]:
    """Return `step` and `count`: targets, attempts, finished drafts, accepted records."""
    made, judged = metrics.get("generation", {}), metrics.get("validation", {})
    targets, retries, given_up = (made.get(name) for name in ("targets", "retries", "given_up"))
    if not (isinstance(targets, int) and isinstance(retries, int) and isinstance(given_up, int)):
        return {}
    steps = {
        "targets": targets,
        "attempts": targets + retries,
        "drafts": targets - given_up,
        "accepted": judged.get("accepted"),
    }
    rows = [(step, count) for step, count in steps.items() if isinstance(count, int)]
    return {"funnel/steps": pl.DataFrame(rows, schema=["step", "count"], orient="row")}


def reason_rows(
    metrics: Mapping[str, Mapping[str, Cell]], generated: pl.DataFrame | None, rejections: pl.DataFrame | None
) -> dict[str, pl.DataFrame]:
    """Return `reason`, `outcome`, `count`, `meaning`: why drafts were retried, given up or rejected."""
    rows = [
        (name.removeprefix("fault_"), "asked again", count)
        for name, count in metrics.get("generation", {}).items()
        if name.startswith("fault_") and isinstance(count, int)
    ]
    if generated is not None:
        ended = generated.drop_nulls("reject_reason")["reject_reason"].value_counts().sort("reject_reason")
        rows += [(reason, "given up", count) for reason, count in ended.iter_rows()]
    if rejections is not None and was_made(rejections):
        counted = rejections.group_by("reason").agg(pl.col("drafts").sum()).sort("reason")
        rows += [(reason, "rejected", count) for reason, count in counted.iter_rows()]
    told = [(reason.replace("_", " "), outcome, count, explain(reason)) for reason, outcome, count in rows]
    frame = pl.DataFrame(told, schema=["reason", "outcome", "count", "meaning"], orient="row")
    order = pl.col("count").sum().over("reason")
    return {"funnel/reasons": frame.sort(order, "reason", "outcome", descending=[True, False, False])}
