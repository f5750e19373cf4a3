"""Show the results of the stage `worth` in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.core.errors import ArtifactError
from trialforge.core.files import read_json
from trialforge.study.answer import say_worth

HEADINGS = ["model", "mix", "real", "added", "ROC-AUC", "over real alone", "100 are worth"]


def read_worth(metrics: Path, plots: Path) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return the figures of the declared question with the answer in sentences, and a row for each mix.

    Raises:
        ArtifactError: the study has not run, or this run has no blocks.
    """
    found = read_json(metrics / "worth.json")
    if not found.get("blocks"):
        raise ArtifactError(
            "this run did not measure what synthetic trials are worth",
            hint="trialforge profile scarcity (or set blocks.enabled to true), then: dvc repro worth",
        )
    return found, pl.read_csv(plots / "worth/arms.csv")


def worth_rows(table: pl.DataFrame) -> Iterator[list[str]]:
    """Yield a row for each mix: its ROC-AUC, gain over real trials alone, and the worth of 100 trials."""
    for row in table.iter_rows(named=True):
        yield [
            row["model"], row["arm"], f"{row['real']}", f"{row['added']:.0f}", f"{row['roc_auc']:.3f}",
            _interval(row["gain"], row["gain_low"], row["gain_high"]),
            "" if row["worth"] is None else say_worth(row),
        ]  # fmt: skip


def _interval(value: float | None, low: float, high: float) -> str:
    return "" if value is None else f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
