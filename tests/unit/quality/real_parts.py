"""Parts of real and simulated corpora as the pipeline splits them: near-duplicates stay in one part."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import polars as pl
import pytest

from trialforge.core.params import load_section
from trialforge.ingest.interventions import NameCollector, add_normalized
from trialforge.ingest.registry import RegistrySource
from trialforge.ingest.source import Source
from trialforge.ingest.top import TopSource
from trialforge.simulation.corpus import simulate
from trialforge.split.groups import group_trials, near_duplicate_pairs
from trialforge.split.params import SplitParams
from trialforge.split.split import split_trials
from trialforge.trial.leakage import registration_view

ROOT = Path(__file__).resolve().parents[3]
Parts = dict[str, pl.DataFrame]
CORPORA = ("simulated", "xml", "top")


def on_corpora(test: object) -> object:
    """Run a test on the simulated corpus, and on both real ones where they lie beside the checkout."""
    real = (pytest.mark.shared, pytest.mark.slow)
    params = [pytest.param(name, marks=() if name == "simulated" else real) for name in CORPORA]
    return pytest.mark.parametrize("corpus", params, indirect=True)(test)


def find_shared(corpus: str, request: pytest.FixtureRequest) -> Path | None:
    """Return the folder of real data; a test of a real corpus is skipped without."""
    return None if corpus == "simulated" else request.getfixturevalue("shared_data")


@cache
def read_parts(corpus: str, shared_data: Path | None) -> Parts:
    """Train, validation and test of a corpus, with as many trials as a test needs."""
    if corpus == "simulated":
        trials, strategy = simulate(900, 3), "random"
    else:
        assert shared_data is not None
        xml = RegistrySource(shared_data / "ctgov/AllPublicXML.sample.zip")
        source: Source = xml if corpus == "xml" else TopSource(str(shared_data / "top/*phase_I_*"))
        trials = pl.concat([batch.trials for batch in source.batches()], how="diagonal_relaxed")
        strategy = "temporal" if corpus == "xml" else "random"
    collector = NameCollector()
    collector.add(trials)
    trials = add_normalized(trials, collector.normalize(None))
    params = load_section(SplitParams, "split", ROOT / "params.yaml").model_copy(
        update={"strategy": strategy}
    )
    groups = group_trials(trials["nct_id"], near_duplicate_pairs(trials, params.near_duplicate))
    split = split_trials(trials, groups, params, 1)
    views = registration_view(trials).with_columns(label=pl.lit(1, pl.Int64))
    return {
        part: views.join(split.filter(part=part), on="nct_id", how="semi", maintain_order="left").head(most)
        for part, most in (("train", 400), ("validation", 160), ("test", 260))
    }
