"""The choice of a source by `ingest.source`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from trialforge.core.errors import ParameterError
from trialforge.ingest.params import DEFAULT_PATH
from trialforge.ingest.registry import RegistrySource
from trialforge.ingest.top import TopSource

if TYPE_CHECKING:
    from trialforge.ingest.params import IngestParams
    from trialforge.ingest.source import Source


def _open_simulated(params: IngestParams, seed: int) -> Source:
    # Here, so that a process that reads real records does not wait for numpy.
    from trialforge.ingest.simulated import SimulatedSource

    return SimulatedSource(params, seed)


def _open_registry(params: IngestParams, _: int) -> Source:
    path = Path(params.path)
    if not path.exists():
        raise ParameterError(
            f"`ingest.path`: no file or folder {path}",
            hint="put the registry's records there, in any form, or download some by `trialforge fetch`",
        )
    return RegistrySource(path)


def _open_top(params: IngestParams, seed: int) -> Source:
    """Return the trials of TOP tables, joined to registry records where there are some."""
    alone = params.path == DEFAULT_PATH and not any(Path(DEFAULT_PATH).glob("[!.]*"))
    return TopSource(params.top_path, None if alone else _open_registry(params, seed))


SOURCES: dict[str, Callable[[IngestParams, int], Source]] = {
    "simulated": _open_simulated,
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
        raise ParameterError(f"`ingest.source`: no source {params.source!r}; known are {known}")
    return SOURCES[params.source](params, seed)
