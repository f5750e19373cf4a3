"""Measure anybody's synthetic trials against a run's real ones, as the stage `measure` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.app.record_sets import name_alike
from trialforge.core.files import hash_file
from trialforge.quality.case import Case
from trialforge.quality.gates import find_broken
from trialforge.quality.measurement import (
    Measured,
    RunTables,
    build_case,
    check_records,
    measure_records,
    measured_values,
    missing_values,
)
from trialforge.quality.params import QualityParams
from trialforge.reporting.inputs import Inputs
from trialforge.validation.params import ValidationParams

HEADINGS = ("metric", "better", "value", "95% interval", "real trials", "random text", "gate")


@dataclass(frozen=True, slots=True)
class Audit:
    """A set of records, its measures, and the gates that it breaks."""

    name: str
    case: Case
    measured: Measured
    broken: tuple[str, ...]

    def check(self) -> None:
        """Raise the errors of the stage `measure`.

        Raises:
            GateError: a gate is broken.
        """
        check_records(self.case, self.measured)


def audit_records(
    name: str,
    records: pl.DataFrame,
    run: RunTables,
    sections: tuple[QualityParams, ValidationParams],
    seed: int,
    done: Callable[[str], None] = lambda _measure: None,
) -> Audit:
    """Return the audit of the records of the file or commit `name` against real trials.

    Gates on `validation.NAME` are skipped, because they bound the drafts of this run. `done` is called with
    the name of each finished measure.
    """
    quality, validation = sections
    gates = {gate: bounds for gate, bounds in quality.gates.items() if not gate.startswith("validation.")}
    params = quality.model_copy(update={"gates": gates})
    case = build_case(name_alike(records, run.train), run, params, validation, seed)
    measured = measure_records(case, done)
    measures = measured.measures
    broken = find_broken(measured_values(measures), gates, missing_values(measures))
    return Audit(name, case, measured, tuple(gate.name for gate in broken))


def audit_table(audit: Audit) -> pl.DataFrame:
    """Return the measures with their yardsticks, and `gate`: `holds`, `broken`, or null if there is none."""
    gates = {name: "broken" if name in audit.broken else "holds" for name in audit.case.params.gates}
    gate = pl.col("metric").replace_strict(gates, default=None, return_dtype=pl.String)
    return audit.measured.measures.with_columns(gate=gate)


def audit_rows(table: pl.DataFrame) -> list[tuple[str, ...]]:
    """Return the rows of an audit as text, in the order of HEADINGS."""
    return [_cells(row) for row in table.iter_rows(named=True)]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    numbers = [row[name] for name in ("value", "low", "high", "ceiling", "worst")]
    value, low, high, ceiling, worst = ("" if number is None else f"{number:.4g}" for number in numbers)
    interval = f"{low} to {high}" if low else f"({row['note']})" if row["note"] else ""
    return (row["metric"], row["direction"], value or "-", interval, ceiling, worst, row["gate"] or "")


def audit_inputs(audit: Audit, params: dict[str, Any]) -> Inputs:
    """Return the inputs of the report for an audit, with each record as a target of its own."""
    records = audit.case.candidates.frame.with_columns(
        target_id=pl.format("{}-{}", "nct_id", pl.int_range(pl.len())), reject_reason=pl.lit(None, pl.String)
    )
    plots = {"measures": audit.measured.measures, **audit.measured.tables}
    path = Path(audit.name)
    return Inputs(
        metrics={"quality": dict(audit.measured.metrics)},
        plots={f"quality/{name}": table for name, table in plots.items()},
        tables={"train": audit.case.pool.frame, "generated": records},
        params=params,
        hashes={audit.name: hash_file(path)} if path.is_file() else {},
    )
