"""What tests of whole runs share."""

from __future__ import annotations

import os

import pytest

from tests.stages.small_run import SmallRuns, run_once


@pytest.fixture(scope="session")
def small_runs(tmp_path_factory: pytest.TempPathFactory) -> SmallRuns:
    """The default graph at small sizes, run twice from nothing; nobody may change what lies there."""
    base = tmp_path_factory.getbasetemp()
    return run_once((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small-runs")
