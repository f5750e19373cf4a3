"""What an index depends on, and what is believed of one that lies on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from tests.unit.retrieval.small_pool import ROOT, WordEncoder, make_params
from trialforge.core.errors import ArtifactError
from trialforge.embedding.cached import CachedEncoder
from trialforge.retrieval.documents import embed_field, make_documents, pool_fields, text_columns
from trialforge.retrieval.factory import open_retriever
from trialforge.retrieval.params import IndexParams, RetrievalParams
from trialforge.retrieval.query import Query
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


def test_vectors_are_the_same_however_many_are_made_at_once(
    folder: Path, train: pl.DataFrame, encoder: Any, params: RetrievalParams, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    texts = text_columns(make_documents(train, params.dense_fields))
    at_once = pool_fields(
        (embed_field(texts[name], encoder), weight) for name, weight in params.dense_fields.items()
    )
    assert np.array_equal(np.load(folder / "vectors.npy"), at_once)
    monkeypatch.setattr("trialforge.retrieval.store.SLICE", 2)
    build_index(train, encoder, params, tmp_path / "again")
    assert (tmp_path / "again/vectors.npy").read_bytes() == (folder / "vectors.npy").read_bytes()
    np.save(tmp_path / "saved.npy", at_once)
    assert (tmp_path / "saved.npy").read_bytes() == (folder / "vectors.npy").read_bytes()


def test_a_killed_index_is_not_embedded_again(
    train: pl.DataFrame, params: RetrievalParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Counted(WordEncoder):
        def encode(self, texts: Sequence[str]) -> np.ndarray:
            if len(asked) == 4:
                raise KeyboardInterrupt
            asked.extend(texts)
            return super().encode(texts)

    monkeypatch.setattr("trialforge.retrieval.store.SLICE", 2)
    cached = CachedEncoder(Counted(), tmp_path / "vectors.sqlite")
    with pytest.raises(KeyboardInterrupt):
        build_index(train, cached, params, tmp_path / "index")
    assert not (tmp_path / "index").exists()
    done = [*asked, "more"]
    asked[:] = done
    build_index(train, cached, params, tmp_path / "index")
    assert len(asked) == len(set(asked)), "no text was paid for twice"


def test_a_search_by_several_threads_answers_as_one(
    folder: Path, encoder: Any, params: RetrievalParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever = open_retriever(folder, folder.with_suffix(".json"), encoder, params, {})
    query = Query("aspirin for pain", "dense", 5)
    alone = retriever.search(query)
    monkeypatch.setattr("trialforge.retrieval.embedded.PART_ROWS", 2)
    assert retriever.search(query) == alone


def test_arrays_are_mapped_not_read(folder: Path, encoder: Any, params: RetrievalParams) -> None:
    retriever = open_retriever(folder, folder.with_suffix(".json"), encoder, params, {})
    assert isinstance(retriever.pool.vectors.base, np.memmap)
