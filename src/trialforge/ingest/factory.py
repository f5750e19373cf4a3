"""The choice of a source by `ingest.source`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from trialforge.core.errors import ParameterError
from trialforge.ingest.params import DEFAULT_PATH
from trialforge.ingest.registry import RegistrySource
from trialforge.ingest.source import BATCH_SCHEMA, Batch, Prepare, leave_batch, no_refused
from trialforge.ingest.top import TopSource

if TYPE_CHECKING:
    from trialforge.ingest.params import IngestParams
    from trialforge.ingest.source import Source


class SimulatedSource:
    """`ingest.source: simulated`: as many trials as `ingest.simulated_trials` says."""

    def __init__(self, params: IngestParams, seed: int) -> None:
        self._count, self._seed = params.simulated_trials, seed

    def batches(self, prepare: Prepare = leave_batch) -> Iterator[Batch]:
        """Yield the trials; none is ever refused."""
        # Here, so that a process that reads real records does not wait for numpy.
        from trialforge.simulation.corpus import simulate_batches

        for trials in simulate_batches(self._count, self._seed):
            named = trials.with_columns(file=pl.lit("simulated")).select(BATCH_SCHEMA.keys())
            yield prepare(Batch(named, no_refused()))


def _open_registry(path: Path) -> Source:
    if not path.exists():
        raise ParameterError(
            f"`ingest.path`: no file or folder {path}",
            hint="put registry records there, in any format, or download some with `trialforge fetch`",
        )
    return RegistrySource(path)


def open_source(params: IngestParams, seed: int) -> Source:
    """Return the source that `ingest.source` names.

    Raises:
        ParameterError: there is no file or folder of records.
    """
    path = Path(params.path)
    if params.source == "simulated":
        return SimulatedSource(params, seed)
    if params.source == "registry":
        return _open_registry(path)
    # Rows of TOP tables, joined to registry records where there are some.
    alone = params.path == DEFAULT_PATH and not any(path.glob("[!.]*"))
    return TopSource(params.top_path, None if alone else _open_registry(path))
