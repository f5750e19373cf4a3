"""The criteria of the real samples, read once for all tests of a process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.trial.registry_criteria import read_criteria

if TYPE_CHECKING:
    import polars as pl


@pytest.fixture(scope="session")
def real_criteria(shared_data: Path) -> pl.DataFrame:
    """`corpus`, `nct_id` and `text` of each trial of the three samples."""
    return read_criteria(shared_data)
