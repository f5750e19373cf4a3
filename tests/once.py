"""What is made once in a test session, whatever the number of processes that run its tests."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from trialforge.ingest.registry import RegistrySource
from trialforge.ingest.source import Batch

if TYPE_CHECKING:
    import pytest


@contextmanager
def made_once(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A folder of that name for the whole session; no other process is in this block meanwhile."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def read_once(folder: Path, path: Path) -> Batch:
    """The trials of a registry file and what was refused of it, from `folder` if they were read before."""
    trials, refused = (folder / f"{path.name}-{kind}.parquet" for kind in ("trials", "refused"))
    if not trials.is_file():
        batches = list(RegistrySource(path).batches())
        pl.concat([batch.refused for batch in batches]).write_parquet(refused)
        pl.concat([batch.trials for batch in batches]).write_parquet(trials)
    return Batch(pl.read_parquet(trials), pl.read_parquet(refused))
