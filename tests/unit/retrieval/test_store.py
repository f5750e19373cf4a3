"""What an index depends on, and what is believed of one that lies on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from tests.unit.retrieval.small_pool import ROOT, make_params
from trialforge.core.errors import ArtifactError
from trialforge.retrieval.factory import open_retriever
from trialforge.retrieval.params import IndexParams, RetrievalParams
from trialforge.retrieval.store import build_index

if TYPE_CHECKING:
    import polars as pl


def test_index_does_not_depend_on_how_it_is_searched(
    folder: Path, train: pl.DataFrame, encoder: Any, tmp_path: Path
) -> None:
    changed = make_params(mode="lexical", top_k=9, num_candidates=7, rank_constant=1, mmr_lambda=0.1)
    again = build_index(train, encoder, changed, tmp_path / "again")
    assert again == json.loads(folder.with_suffix(".json").read_text())


def test_stages_declare_the_parameters_that_their_sections_have() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    declared = {
        name: {key.split(".")[1] for key in stages[name]["params"] if key.startswith("retrieval.")}
        for name in ("index", "retrieve")
    }
    assert declared["index"] == set(IndexParams.model_fields)
    # How the server is used changes no answer.
    assert declared["retrieve"] == set(RetrievalParams.model_fields) - {"elasticsearch"}


@pytest.mark.parametrize("name", ["vectors.npy", "impacts.npy", "documents.parquet"])
def test_file_of_the_same_size_and_count_but_other_content_is_refused(
    folder: Path, encoder: Any, params: RetrievalParams, name: str
) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{name} differs") as caught:
        open_retriever(folder, folder.with_suffix(".json"), encoder, params, {})
    assert caught.value.hint == "run: dvc repro index"


def test_missing_file_is_named(folder: Path, encoder: Any, params: RetrievalParams) -> None:
    (folder / "terms.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"terms\.parquet differs"):
        open_retriever(folder, folder.with_suffix(".json"), encoder, params, {})


def test_arrays_are_mapped_not_read(folder: Path, encoder: Any, params: RetrievalParams) -> None:
    retriever = open_retriever(folder, folder.with_suffix(".json"), encoder, params, {})
    assert isinstance(retriever.pool.vectors.base, np.memmap)
