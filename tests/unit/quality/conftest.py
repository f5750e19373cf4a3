"""A small pool of simulated trials and the parameters of the measures at small sizes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from trialforge.core.params import load_section
from trialforge.quality.params import QualityParams
from trialforge.simulation.corpus import simulate
from trialforge.trial.leakage import registration_view

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def params() -> QualityParams:
    """The default parameters with few draws and no gates."""
    loaded = load_section(QualityParams, "quality", ROOT / "params.yaml")
    return loaded.model_copy(update={"bootstrap": 100, "permutations": 19, "gates": {}})


@pytest.fixture(scope="session")
def parts() -> dict[str, pl.DataFrame]:
    """Registration views by part, labelled by turns; `synthetic` are trials that no other part has."""
    trials = registration_view(simulate(400, 3)).with_columns(
        label=pl.int_range(pl.len(), dtype=pl.Int64) % 2,
        normalized_interventions=pl.col("interventions").list.eval(
            pl.element().struct.field("name").str.to_lowercase()
        ),
    )
    sizes = {"train": 200, "validation": 80, "test": 80, "synthetic": 40}
    found, begin = {}, 0
    for name, size in sizes.items():
        found[name] = trials.slice(begin, size)
        begin += size
    return found


@pytest.fixture
def corpus(request: pytest.FixtureRequest) -> str:
    """The name of the corpus, see `on_corpora`."""
    return str(request.param)
