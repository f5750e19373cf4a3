"""The small pool as fixtures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.retrieval.small_pool import WordEncoder, make_params, small_train
from trialforge.retrieval.params import RetrievalParams
from trialforge.retrieval.store import build_index

if TYPE_CHECKING:
    import polars as pl


@pytest.fixture
def encoder() -> WordEncoder:
    return WordEncoder()


@pytest.fixture
def params() -> RetrievalParams:
    return make_params()


@pytest.fixture
def train() -> pl.DataFrame:
    return small_train()


@pytest.fixture
def folder(train: pl.DataFrame, encoder: Any, params: RetrievalParams, tmp_path: Path) -> Path:
    manifest = build_index(train, encoder, params, tmp_path / "index")
    (tmp_path / "index.json").write_text(json.dumps(manifest))
    return tmp_path / "index"
