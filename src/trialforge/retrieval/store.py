"""The index on disk: arrays that are memory-mapped, and the manifest that says what they are."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trialforge.errors import ArtifactError
from trialforge.files import hash_file, hash_json, read_json, read_parquet
from trialforge.retrieval.documents import embed_fields, make_documents, pool_fields, text_columns
from trialforge.retrieval.elastic_requests import make_mapping
from trialforge.retrieval.lexical import Impacts, build_impacts
from trialforge.retrieval.pool import Pool

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Encoder
    from trialforge.retrieval.params import RetrievalParams

HINT = "run: dvc repro index"
_ARRAYS = ("starts", "trials", "impacts")


def build_index(
    train: pl.DataFrame, encoder: Encoder, params: RetrievalParams, folder: Path
) -> dict[str, Any]:
    """Write the index of the pool into `folder`, whole or not at all, and return its manifest."""
    documents = make_documents(train, dict.fromkeys([*params.lexical_fields, *params.dense_fields]))
    texts = text_columns(documents)
    impacts = build_impacts(texts, params.lexical_fields, params.bm25)
    vectors = pool_fields(embed_fields(texts, params.dense_fields, encoder), params.dense_fields)
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    documents.write_parquet(temporary / "documents.parquet", compression="zstd")
    pl.DataFrame({"term": impacts.terms}).write_parquet(temporary / "terms.parquet", compression="zstd")
    np.save(temporary / "vectors.npy", vectors)
    for name in _ARRAYS:
        np.save(temporary / f"{name}.npy", getattr(impacts, name))
    manifest = describe_index(documents, encoder, params)
    manifest["files"] = {path.name: hash_file(path) for path in sorted(temporary.iterdir())}
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)
    return manifest


def describe_index(documents: pl.DataFrame, encoder: Encoder, params: RetrievalParams) -> dict[str, Any]:
    """Return what decides the index: its content, its fields and constants, and the encoder."""
    identity = {
        "content": hash_frame(documents),
        "encoder": encoder.digest,
        "lexical_fields": dict(params.lexical_fields),
        "dense_fields": dict(params.dense_fields),
        "bm25": params.bm25.model_dump(),
        "mapping": make_mapping(params, encoder.dimension),
    }
    return {"hash": hash_json(identity), "trials": documents.height, **identity}


def hash_frame(frame: pl.DataFrame) -> str:
    """Return the SHA-256 of a table's rows as JSON lines."""
    digest = hashlib.sha256()
    for part in frame.iter_slices(10_000):
        digest.update(part.write_ndjson().encode())
    return digest.hexdigest()


def open_index(folder: Path, manifest_path: Path) -> tuple[Pool, Impacts]:
    """Return the pool and the impacts of an index, its arrays memory-mapped.

    Raises:
        ArtifactError: it is absent, or is not what its manifest says.
    """
    manifest = read_json(manifest_path)
    documents = read_parquet(
        folder / "documents.parquet", columns=["nct_id", "normalized_interventions", "label"]
    )
    terms = read_parquet(folder / "terms.parquet")["term"]
    starts, trials, impacts, vectors = (_map(folder / f"{name}.npy") for name in (*_ARRAYS, "vectors"))
    whole = len(terms) + 1 == len(starts) and len(trials) == len(impacts) == (
        starts[-1] if len(starts) else -1
    )
    if not (whole and documents.height == len(vectors) == manifest["trials"]):
        raise ArtifactError(f"the index in {folder} is not the one that {manifest_path} describes", hint=HINT)
    return Pool(documents, vectors), Impacts(terms, starts, trials, impacts, documents.height)


def _map(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} can't be read: {error}", hint=HINT) from error
