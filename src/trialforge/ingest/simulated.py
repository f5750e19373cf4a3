"""The simulated corpus as a source of `ingest`."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from trialforge.ingest.params import IngestParams
from trialforge.ingest.source import BATCH_SCHEMA, Batch, Prepare, leave_batch, no_refused
from trialforge.simulation.corpus import simulate_batches


class SimulatedSource:
    """`ingest.source: simulated`: as many trials as `ingest.simulated_trials` says."""

    def __init__(self, params: IngestParams, seed: int) -> None:
        self._count, self._seed = params.simulated_trials, seed

    def batches(self, prepare: Prepare = leave_batch) -> Iterator[Batch]:
        """Yield the trials; none is ever refused."""
        for trials in simulate_batches(self._count, self._seed):
            named = trials.with_columns(file=pl.lit("simulated")).select(BATCH_SCHEMA.keys())
            yield prepare(Batch(named, no_refused()))
