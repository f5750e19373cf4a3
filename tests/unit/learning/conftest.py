"""Small tables of trials whose outcome the text tells, and an encoder small enough to train in a test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from trialforge.embedding.factory import hash_model
from trialforge.learning.params import ClassifierParams, LearningParams
from trialforge.learning.tables import make_tables
from trialforge.learning.training import Training, train_experiments
from trialforge.trial.record import REGISTRATION_SCHEMA

MODELS = ("tfidf-logreg", "tfidf-svm", "embedding-logreg", "gradient-boosting", "transformer")
Trained = Callable[[str], tuple[Path, pl.DataFrame]]
MakeTrials = Callable[..., pl.DataFrame]
GOOD, BAD = "biomarker confirmed stable disease", "metastatic refractory relapsed disease"


def build_trials(count: int, prefix: str = "NCT", start: int = 0, noise: float = 0.1) -> pl.DataFrame:
    stream = np.random.default_rng(count + start)
    labels = np.arange(count) % 2
    shown = np.where(stream.random(count) < noise, 1 - labels, labels)
    fillers = (
        "adults of any sex",
        "informed consent",
        "normal liver function",
        "no pregnancy",
        "able to swallow",
    )
    rows = [
        {
            "nct_id": f"{prefix}{start + number:08d}",
            "source": "simulated",
            "phase": "Phase 2" if shown[number] else "Phase 1",
            "conditions": ["lung cancer"],
            "title": f"A study of drug {number % 7}",
            "criteria": f"Inclusion: {GOOD if shown[number] else BAD}, {stream.choice(fillers)}",
            "enrolment_planned": int(20 + 10 * stream.random()),
            "first_submitted": date(2010 + number % 10, 1, 1),
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema=REGISTRATION_SCHEMA).with_columns(
        pl.Series("normalized_interventions", [[f"drug {number % 7}"] for number in range(count)]),
        pl.Series("label", labels, dtype=pl.Int64),
    )


@pytest.fixture
def make_trials() -> MakeTrials:
    """Trials with registration fields, label and interventions, by `make_trials(count, prefix, start)`."""
    return build_trials


@pytest.fixture
def parts() -> dict[str, pl.DataFrame]:
    """Train (60), validation (20) and test (40) of such trials."""
    return build_parts()


def build_parts() -> dict[str, pl.DataFrame]:
    return {
        "train": build_trials(60, start=0),
        "validation": build_trials(20, start=100),
        "test": build_trials(40, start=200),
    }


@pytest.fixture
def synthetic() -> pl.DataFrame:
    """Twenty synthetic trials, each made from one trial of train."""
    trials = build_trials(20, prefix="SYN-", start=0)
    return trials.with_columns(
        pl.lit("retrieval-reasoning").alias("arm"),
        pl.lit(0, dtype=pl.Int64).alias("generation"),
        pl.Series("exemplars", [[f"NCT{number:08d}"] for number in range(20)]),
    )


@pytest.fixture
def held_back() -> pl.DataFrame:
    """Thirty real trials that were held back, two thirds of them successes."""
    trials = build_trials(45, start=300)
    return trials.filter((pl.col("label") == 1) | (pl.int_range(pl.len()) % 4 == 0)).head(30)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer with random weights and a vocabulary of whole words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-encoder")
    words = sorted({*f"{GOOD} {BAD}".split(), "inclusion", "phase", "1", "2", ":"})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: place for place, word in enumerate([*special, *words])}
    BertTokenizerFast(vocab=vocabulary).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def small_params(tiny_encoder: Path) -> LearningParams:
    """Parameters of one arm of real trials, with each classifier as small as it gets."""
    encoder = {"backend": "transformers", "model": str(tiny_encoder), "sha256": hash_model(tiny_encoder)}
    classifiers = {
        "embedding-logreg": {"encoder": {**encoder, "window": 32}},
        "gradient-boosting": {"components": 4, "trees": 20},
        "transformer": {**encoder, "max_tokens": 32, "epochs": 3, "learning_rate": 1e-2},
    }
    return LearningParams.model_validate(
        {
            "seeds": 1,
            "fields": ["phase", "criteria"],
            "real_experiments": ["real"],
            "models": MODELS,
            "experiments": {"real": [{"name": "real"}]},
            "classifiers": ClassifierParams.model_validate(classifiers),
            "statistics": {"primary": {"arm": "real"}},
        }
    )


@pytest.fixture(scope="session")
def trained_once(small_params: LearningParams, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train a model once: its folder, and what it predicted when it was trained."""
    done: dict[str, tuple[Path, pl.DataFrame]] = {}

    def train(name: str) -> tuple[Path, pl.DataFrame]:
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            training = Training(small_params, ["real"], name, 1, folder / "models", folder / "store")
            tables = make_tables(build_parts(), small_params.fields)
            done[name] = folder / "models" / "real", train_experiments(training, tables)
        return done[name]

    return train


@pytest.fixture
def own_params(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A params.yaml that names the encoder, where the test runs."""
    monkeypatch.chdir(tmp_path)
    encoder = {"embedding-logreg": {"encoder": {"model": str(tiny_encoder)}}}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"learning": {"classifiers": encoder}}))
    return path


@pytest.fixture
def trained(trained_once: Trained, tmp_path: Path, own_params: Path) -> Trained:  # noqa: ARG001 - what predict reads
    """The same, with a folder that a test may change."""

    def copy(name: str) -> tuple[Path, pl.DataFrame]:
        folder, predicted = trained_once(name)
        return Path(shutil.copytree(folder, tmp_path / "models" / "real")), predicted

    return copy
