"""The choice of a source by `ingest.source`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def _open_registry(params: IngestParams, _: int) -> Source:
    path = Path(params.path)
    if not path.exists():
        raise ParameterError(
            f"`ingest.path`: no file or folder {path}",
            hint="put registry records there, in any format, or download some with `trialforge fetch`",
        )
    return RegistrySource(path)


def _open_top(params: IngestParams, seed: int) -> Source:
    """Return the trials of TOP tables, joined to registry records where there are some."""
    alone = params.path == DEFAULT_PATH and not any(Path(DEFAULT_PATH).glob("[!.]*"))
    return TopSource(params.top_path, None if alone else _open_registry(params, seed))


SOURCES: dict[str, Callable[[IngestParams, int], Source]] = {
    "simulated": SimulatedSource,
    "registry": _open_registry,
    "top": _open_top,
}


def open_source(params: IngestParams, seed: int) -> Source:
    """Return the source that `ingest.source` names.

    Raises:
        ParameterError: no such source, or it lacks a parameter that it needs.
    """
    if params.source not in SOURCES:
        known = ", ".join(sorted(SOURCES))
        raise ParameterError(f"`ingest.source`: unknown source {params.source!r}; choose from {known}")
    return SOURCES[params.source](params, seed)
