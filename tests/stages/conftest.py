"""What tests of whole runs share."""

from __future__ import annotations

import pytest

from tests.once import made_once
from tests.stages.small_run import SmallRuns, run_once


@pytest.fixture(scope="session")
def small_runs(tmp_path_factory: pytest.TempPathFactory) -> SmallRuns:
    """The default graph at small sizes, run twice from nothing; nobody may change what lies there."""
    with made_once(tmp_path_factory, "small-runs") as folder:
        return run_once(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that asks for the small runs first waits for a language model, however busy the machine is."""
    for item in items:
        if "small_runs" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(1800))
