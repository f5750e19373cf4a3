"""The measures: 5,000 synthetic against 20,000 real trials, time and peak memory of each step.

The trials are simulated on both sides. `BENCH_QUALITY=SYNTHETIC,REAL` sets other sizes: a step that takes far
more than four times the memory at four times the sizes is quadratic. Linux alone tells peaks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from trialforge.core.errors import MetricError
from trialforge.core.params import load_section
from trialforge.quality.measurement import TABLES, RunTables, build_case
from trialforge.quality.params import QualityParams
from trialforge.quality.registry import METRICS
from trialforge.quality.yardstick import compare_yardsticks
from trialforge.simulation.corpus import simulate
from trialforge.trial.draft_fields import WRITTEN_FIELDS
from trialforge.trial.draft_form import as_drafts
from trialforge.trial.leakage import registration_view
from trialforge.validation.duplicates import find_close, find_near_copies
from trialforge.validation.params import ValidationParams

ROOT = Path(__file__).resolve().parents[1]
SYNTHETIC, REAL = (int(size) for size in os.environ.get("BENCH_QUALITY", "5000,20000").split(","))
SHOWN = 3
Row = tuple[str, float, float, float, float]


def main() -> None:
    """Print one table of steps."""
    print(f"{'step':<36}{'seconds':>9}{'of a core':>11}{'peak MB':>9}{'more MB':>9}")
    rows = _measure(SYNTHETIC, REAL)
    seconds, busy, peak = (
        sum(row[1] for row in rows),
        sum(row[2] for row in rows),
        max(row[3] for row in rows),
    )
    print(f"{SYNTHETIC} x {REAL}: {seconds:.1f} s, {busy:.1f} s of a core, peak {peak:.0f} MB", flush=True)


def _measure(synthetic: int, real: int) -> list[Row]:
    params = load_section(QualityParams, "quality", ROOT / "params.yaml")
    validation = load_section(ValidationParams, "validation", ROOT / "params.yaml")
    rows: list[Row] = []

    def step(name: str, work: Callable[[], Any]) -> Any:
        before = _reset_peak()
        start, busy = time.perf_counter(), time.process_time()
        try:
            return work()
        except MetricError as error:
            name = f"{name} ({str(error)[:20]})"
            return None
        finally:
            peak, seconds, busy = _status("VmHWM"), time.perf_counter() - start, time.process_time() - busy
            rows.append((name, seconds, busy, peak, peak - before))
            print(f"{name:<36}{seconds:>9.2f}{busy:>11.2f}{peak:>9.0f}{peak - before:>9.0f}", flush=True)

    records, run = _make_parts(synthetic, real)
    case = step(
        "build case (fit the space)",
        lambda: build_case(records, run, params, validation, 1),
    )
    step("embed records", lambda: case.candidates.rows)
    step("embed train", lambda: case.reference.rows)
    texts = case.candidates.texts, case.reference.texts
    step("validate: near-copies by words", lambda: find_near_copies(*texts, validation.duplicates))
    rows_of = case.candidates.rows, case.reference.rows
    step("validate: near-copies by embedding", lambda: find_close(*rows_of, validation.duplicates.max_cosine))
    for name, metric in METRICS.items():
        step(name, lambda metric=metric: metric.measure(case))
    step("yardsticks of all measures", lambda: compare_yardsticks(case, METRICS))
    for name, make in TABLES.items():
        step(f"table {name}", lambda make=make: make(case))
    return rows


def _make_parts(synthetic: int, real: int) -> tuple[pl.DataFrame, RunTables]:
    """Return records with their exemplars, and the real trials and tables of lineage beside them."""
    held_out = real // 10
    trials = registration_view(simulate(synthetic + real + 3 * held_out, 1))
    names = pl.col("interventions").list.eval(pl.element().struct.field("name").str.to_lowercase())
    stream = np.random.default_rng(1)
    trials = trials.with_columns(
        normalized_interventions=names, label=pl.Series(stream.integers(0, 2, len(trials)))
    )
    bounds = [0, real, real + held_out, real + 2 * held_out, real + 3 * held_out]
    train, validation, test, held_back = (trials[begin:end] for begin, end in pairwise(bounds))
    ids = train["nct_id"].to_numpy()
    shown = [ids[places].tolist() for places in stream.integers(0, real, (synthetic, SHOWN))]
    records = trials[bounds[-1] :].with_columns(
        intervention=pl.col("normalized_interventions").list.first(),
        exemplars=pl.Series(shown),
        arm=pl.lit("retrieval-reasoning"),
    )
    drafts = as_drafts(held_back, WRITTEN_FIELDS)
    lineage = records.select("nct_id", "exemplars"), records.select("nct_id")
    return records, RunTables(train, validation, test, held_back, drafts, *lineage)


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024


def _reset_peak() -> float:
    """Begin a new peak (Linux), and return the memory in use now, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")
