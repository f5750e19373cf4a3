"""Compare two sets of records by the same measures, against the same real trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from trialforge.app.record_sets import name_alike
from trialforge.core.errors import MetricError
from trialforge.quality.case import Case, Scale, build_scale
from trialforge.quality.measurement import RunTables, set_beside
from trialforge.quality.metric import Estimate, Metric
from trialforge.quality.params import QualityParams
from trialforge.trial.text import filled_fields
from trialforge.validation.params import ValidationParams

_ESTIMATE = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64, "note": pl.String}
HEADINGS = ("metric", "better", "A", "95% interval", "B", "95% interval")


def compare_records(
    sets: tuple[pl.DataFrame, pl.DataFrame],
    run: RunTables,
    metrics: Mapping[str, Metric],
    sections: tuple[QualityParams, ValidationParams],
    seed: int,
    done: Callable[[str], None] = lambda _metric: None,
) -> pl.DataFrame:
    """Return each measure of both sets on one scale; `done` is called with the name of each.

    Columns: `metric`, `direction`, and for sets a and b `_value`, `_low`, `_high` (null if a measure has no
    interval), `_n`, and `_note`: why there is no value.
    """
    scale = _common_scale(sets, run.train, sections, seed)
    one, other = (set_beside(name_alike(frame, run.train), run, scale) for frame in sets)
    rows = []
    for name, metric in metrics.items():
        rows.append((name, str(metric.direction), *_measure(metric, one), *_measure(metric, other)))
        done(name)
    columns = {f"{side}_{name}": kind for side in ("a", "b") for name, kind in _ESTIMATE.items()}
    return pl.DataFrame(
        rows, schema={"metric": pl.String, "direction": pl.String, **columns}, orient="row"
    ).with_columns(pl.col(pl.Float64).round(4))


def _common_scale(
    sets: tuple[pl.DataFrame, pl.DataFrame],
    train: pl.DataFrame,
    sections: tuple[QualityParams, ValidationParams],
    seed: int,
) -> Scale:
    """Return the scale of the fields that both sets fill; a field that one lacks would separate them."""
    filled = [filled_fields(frame) for frame in sets]
    fields = tuple(name for name in filled[0] if name in filled[1])
    if not fields:
        raise MetricError(
            f"the sets have no field in common: A fills {', '.join(filled[0]) or 'none'}, "
            f"B {', '.join(filled[1]) or 'none'}"
        )
    return build_scale(fields, train, *sections, seed)


def _measure(metric: Metric, case: Case) -> tuple[float | None, float | None, float | None, int, str | None]:
    try:
        found: Estimate = metric.measure(case)
    except MetricError as error:
        return None, None, None, 0, str(error).split("\n")[0]
    return found.value, found.low, found.high, found.n, None


def comparison_rows(table: pl.DataFrame) -> list[tuple[str, ...]]:
    """Return the rows of a comparison as text, in the order of HEADINGS."""
    return [
        (row["metric"], row["direction"], *(cell for side in ("a", "b") for cell in _cells(row, side)))
        for row in table.iter_rows(named=True)
    ]


def _cells(row: dict[str, Any], side: str) -> tuple[str, str]:
    value, low, high = (row[f"{side}_{name}"] for name in ("value", "low", "high"))
    if value is None:
        return "-", f"({row[f'{side}_note']})"
    return f"{value:.4g}", "" if low is None else f"{low:.4g} to {high:.4g}"
