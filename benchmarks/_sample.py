"""The sample of real registry records, read as the pipeline reads them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import polars as pl

from trialforge.ingest.interventions import NameCollector, add_normalized
from trialforge.ingest.labels import label_trials
from trialforge.ingest.params import IngestParams
from trialforge.ingest.registry import RegistrySource
from trialforge.ingest.table import TableWriter
from trialforge.trial.leakage import registration_view

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("TRIALFORGE_SHARED", ROOT.parent / "shared")) / "data"
SAMPLE = SHARED / "ctgov/AllPublicXML.sample.zip"
AACT = SHARED / "aact/aact.sample.zip"


def read_sample(path: Path = SAMPLE) -> pl.DataFrame:
    """Return the labelled trials of a sample."""
    params, collector = IngestParams(), NameCollector()
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "trials.parquet"
        with TableWriter(written) as table:
            for batch in RegistrySource(path).batches():
                collector.add(batch.trials)
                table.add(label_trials(batch.trials, params))
            names = collector.normalize()
            table.finish(lambda part: add_normalized(part, names))
        return pl.read_parquet(written)


def registered_sample(path: Path = SAMPLE) -> pl.DataFrame:
    """Return a sample as a train part: what was known at registration, with interventions and labels."""
    trials = read_sample(path)
    view = registration_view(trials)
    return view.with_columns(trials["label"], trials["normalized_interventions"])
