"""Labels, names, leakage rules and splits on the real sample; read once, and looked at from several sides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.unit.trial.people import find_people
from trialforge.ingest.interventions import NameCollector, add_normalized, mapped_metrics, read_vocabulary
from trialforge.ingest.labels import label_trials
from trialforge.ingest.params import IngestParams
from trialforge.ingest.source import Batch
from trialforge.split.groups import group_trials, near_duplicate_pairs
from trialforge.split.params import SplitParams
from trialforge.split.split import check_split, split_trials
from trialforge.trial.free_text import numbered_texts
from trialforge.trial.leakage import find_outcome, registration_view, split_sentences, view_and_count
from trialforge.trial.people import scrub_people

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def trials(shared_data: Path, read_real: Callable[[str], Batch]) -> pl.DataFrame:
    read, _ = scrub_people(read_real("ctgov/AllPublicXML.sample.zip").trials)
    collector = NameCollector()
    collector.add(read)
    names = collector.normalize(read_vocabulary(shared_data / "drugbank_vocabulary.csv.gz"))
    assert mapped_metrics(read.lazy(), names)["mapped_mentions"] > 0.8
    return label_trials(add_normalized(read, names), IngestParams())


def description(view: pl.DataFrame, nct_id: str) -> str:
    return str(view.filter(nct_id=nct_id)["detailed_description"].item())


def test_what_real_records_tell_is_cut_and_the_rest_stays(trials: pl.DataFrame) -> None:
    view = registration_view(trials)
    assert "stopped after 7 months" in description(trials, "NCT00005774")
    assert "stopped after 7 months" not in description(view, "NCT00005774")
    assert "interim analysis showed" not in description(view, "NCT00498537")
    assert view.filter(nct_id="NCT00491374")["title"].item().endswith("(Study P04909)")
    left = numbered_texts(view)["text"]
    assert find_outcome(left).is_empty()
    # An arm keeps its treatment where only a bracket told that it was closed.
    assert "cetuximab as in arm I" in description(view, "NCT00499369")


def test_the_rules_cut_little(trials: pl.DataFrame) -> None:
    counts = view_and_count(trials)[1]["outcome_sentences_cut"]
    sentences = numbered_texts(trials).select(split_sentences(pl.col("text")).list.len().sum()).item()
    assert 250 < sum(counts.values()) < 0.004 * sentences


def test_nobody_is_named_after_scrubbing(trials: pl.DataFrame) -> None:
    assert find_people(numbered_texts(trials)["text"]).is_empty()


def test_status_labels_most_real_trials(trials: pl.DataFrame) -> None:
    assert dict(trials["label"].value_counts().iter_rows()) == {1: 3887, 0: 408, None: 370}


def test_real_trials_split_without_a_crossing(trials: pl.DataFrame) -> None:
    pairs = near_duplicate_pairs(trials, 0.8)
    assert ("NCT00000146", "NCT00000147") in pairs
    groups = group_trials(trials["nct_id"], pairs)
    for strategy in ("temporal", "intervention", "random"):
        params = SplitParams.model_validate(
            {"strategy": strategy, "test_size": 0.3, "validation_size": 0.1, "near_duplicate": 0.8}
        )
        check_split(trials, split_trials(trials, groups, params, 1), pairs, strategy)
