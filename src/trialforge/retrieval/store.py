"""The index on disk: arrays that are memory-mapped, and the manifest that says what they are."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trialforge.core.errors import ArtifactError
from trialforge.core.files import disk_errors, hash_file, hash_json, read_json, read_parquet
from trialforge.retrieval.documents import embed_parts, make_documents, pool_fields, text_columns
from trialforge.retrieval.elastic_requests import make_mapping
from trialforge.retrieval.lexical import Impacts, build_impacts
from trialforge.retrieval.pool import Pool

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Encoder, Matrix
    from trialforge.retrieval.params import IndexParams

HINT = "run: dvc repro index"
SLICE = 2048  # trials whose vectors are in memory together
_ARRAYS = ("starts", "trials", "impacts")


def build_index(train: pl.DataFrame, encoder: Encoder, params: IndexParams, folder: Path) -> dict[str, Any]:
    """Write the index of the pool into `folder`, whole or not at all, and return its manifest.

    Raises:
        DiskError: `folder` can't be written.
    """
    documents = make_documents(train, dict.fromkeys([*params.lexical_fields, *params.dense_fields]))
    texts = text_columns(documents)
    impacts = build_impacts(texts, params.lexical_fields, params.bm25)
    terms = pl.DataFrame({"term": impacts.terms}, schema={"term": pl.String})
    manifest = describe_index(documents, encoder, params)
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with disk_errors(folder):
            temporary.mkdir(parents=True)
            documents.write_parquet(temporary / "documents.parquet", compression="zstd")
            terms.write_parquet(temporary / "terms.parquet", compression="zstd")
            _write_vectors(temporary / "vectors.npy", texts, params.dense_fields, encoder)
            for name in _ARRAYS:
                np.save(temporary / f"{name}.npy", getattr(impacts, name))
            manifest["files"] = {path.name: hash_file(path) for path in sorted(temporary.iterdir())}
            shutil.rmtree(folder, ignore_errors=True)
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def _write_vectors(path: Path, texts: pl.DataFrame, fields: Mapping[str, float], encoder: Encoder) -> None:
    """Write one row a trial, some thousands at a time: a large pool has too many for memory."""
    starts = range(0, texts.height, SLICE)
    parts = (texts[name][start : start + SLICE] for start in starts for name in fields)
    shape = (texts.height, encoder.dimension)
    vectors = np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=shape)
    with closing(embed_parts(parts, encoder, texts.height * len(fields))) as embedded:
        for start in starts:
            pooled = pool_fields((next(embedded), weight) for weight in fields.values())
            vectors[start : start + SLICE] = pooled
    vectors.flush()


def describe_index(documents: pl.DataFrame, encoder: Encoder, params: IndexParams) -> dict[str, Any]:
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


def read_manifest(folder: Path, path: Path) -> dict[str, Any]:
    """Return the manifest of an index whose every file has the hash that the manifest states.

    Raises:
        ArtifactError: the manifest or a file is absent, or a file is another.
    """
    manifest: dict[str, Any] = read_json(path)
    stated = {name: folder / name for name in manifest["files"]}
    differ = [
        name
        for name, file in stated.items()
        if not file.is_file() or hash_file(file) != manifest["files"][name]
    ]
    if differ:
        raise ArtifactError(
            f"the index in {folder} is not the one that {path} describes: {', '.join(differ)} differs",
            hint=HINT,
        )
    return manifest


def open_index(folder: Path) -> tuple[Pool, Impacts]:
    """Return the pool and the impacts of an index that is known to be whole, its arrays memory-mapped."""
    columns = ["nct_id", "normalized_interventions", "label"]
    documents = read_parquet(folder / "documents.parquet", columns=columns)
    terms = read_parquet(folder / "terms.parquet")["term"].to_list()
    starts, trials, impacts = (_map(folder / f"{name}.npy") for name in _ARRAYS)
    return Pool(documents, map_vectors(folder)), Impacts(terms, starts, trials, impacts, documents.height)


def map_vectors(folder: Path) -> Matrix:
    """Return the vectors of an index, one row a trial, memory-mapped."""
    vectors: Matrix = _map(folder / "vectors.npy")
    return vectors


def _map(path: Path) -> Any:
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))  # the plain type is quicker to slice
