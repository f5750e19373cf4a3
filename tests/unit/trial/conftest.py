"""The real samples, read once for all tests of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.trial.registry_criteria import read_criteria
from trialforge.ingest.interventions import NameCollector, add_normalized
from trialforge.trial.canonical import canonical
from trialforge.trial.leakage import registration_view

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import polars as pl

    from trialforge.ingest.source import Batch


@pytest.fixture(scope="session")
def real_criteria(shared_data: Path) -> pl.DataFrame:
    """`corpus`, `nct_id` and `text` of each trial of the three samples."""
    return read_criteria(shared_data)


@pytest.fixture(scope="session")
def real_parts(read_real: Callable[[str], Batch]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Registration views of interventional trials: two thirds to learn from, and those held out."""
    trials = read_real("ctgov/studies_v2.jsonl.gz").trials.filter(study_type="Interventional")
    collector = NameCollector()
    collector.add(trials)
    named = canonical(registration_view(add_normalized(trials, collector.normalize())).sort("nct_id"))
    held_out = named.gather_every(3)
    return named.join(held_out, on="nct_id", how="anti"), held_out
