"""Train parts to plan from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from trialforge.ingest.interventions import NameCollector, add_normalized
from trialforge.simulation.corpus import simulate
from trialforge.trial.canonical import canonical
from trialforge.trial.leakage import registration_view
from trialforge.trial.record import REGISTRATION_SCHEMA

_BESIDE = {"label": pl.Int64(), "normalized_interventions": pl.List(pl.String())}


def make_pool(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Rows as trials of the train part; what a row does not name is null."""
    schema = REGISTRATION_SCHEMA | _BESIDE
    return pl.DataFrame([dict.fromkeys(schema) | row for row in rows], schema=schema)


def simulated_pool(trials: int, seed: int) -> pl.DataFrame:
    """Simulated trials as ingest and split leave them, with every second one a success."""
    simulated = simulate(trials, seed)
    collector = NameCollector()
    collector.add(simulated)
    view = canonical(registration_view(add_normalized(simulated, collector.normalize())))
    return view.with_columns(label=(pl.int_range(pl.len()) % 2).cast(pl.Int64))
