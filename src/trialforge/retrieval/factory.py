"""The retriever that the parameters name, on an index that is what its manifest says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialforge.errors import ArtifactError
from trialforge.files import read_json, read_parquet
from trialforge.retrieval.elastic import ElasticBackend
from trialforge.retrieval.elastic_client import connect
from trialforge.retrieval.elastic_index import ensure_index, index_name
from trialforge.retrieval.embedded import EmbeddedBackend
from trialforge.retrieval.retriever import Retriever
from trialforge.retrieval.store import HINT, open_index

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Encoder
    from trialforge.retrieval.params import RetrievalParams
    from trialforge.retrieval.pool import Pool
    from trialforge.retrieval.retriever import SearchBackend


def open_retriever(
    folder: Path, manifest_path: Path, encoder: Encoder, params: RetrievalParams, environ: Mapping[str, str]
) -> Retriever:
    """Return a retriever; where the server has lost its index, it is loaded again from `folder`.

    Raises:
        ArtifactError: the index is absent, not whole, or was made with other parameters.
        RetrievalError: the server can't be used.
    """
    manifest = read_json(manifest_path)
    wanted = {"encoder": encoder.digest, "bm25": params.bm25.model_dump()} | {
        name: dict(getattr(params, name)) for name in ("lexical_fields", "dense_fields")
    }
    if changed := sorted(name for name, value in wanted.items() if manifest.get(name) != value):
        raise ArtifactError(
            f"{folder} was made with another {', '.join(changed)} than params.yaml has", hint=HINT
        )
    pool, impacts = open_index(folder, manifest_path)
    if params.backend == "embedded":
        return Retriever(pool, EmbeddedBackend(pool, impacts), encoder, params)
    return Retriever(pool, open_server(folder, manifest, pool, params, environ), encoder, params)


def open_server(
    folder: Path, manifest: dict[str, Any], pool: Pool, params: RetrievalParams, environ: Mapping[str, str]
) -> SearchBackend:
    """Return Elasticsearch with the whole index of `manifest`, which is loaded if it is not there."""
    client = connect(params.elasticsearch, environ)
    documents = read_parquet(folder / "documents.parquet")
    ensure_index(client, manifest, params, documents, pool.vectors)
    return ElasticBackend(client, index_name(params.elasticsearch, manifest["hash"]), params)
