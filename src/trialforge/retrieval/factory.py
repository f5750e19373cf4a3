"""The retriever that the parameters name, on an index that is what its manifest says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trialforge.core.errors import ArtifactError
from trialforge.retrieval.elastic import ElasticBackend
from trialforge.retrieval.elastic_content import last_write
from trialforge.retrieval.elastic_index import serve_index
from trialforge.retrieval.embedded import EmbeddedBackend
from trialforge.retrieval.retriever import Retriever
from trialforge.retrieval.store import HINT, open_index, read_manifest

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Encoder
    from trialforge.retrieval.params import RetrievalParams


def open_retriever(
    folder: Path, manifest_path: Path, encoder: Encoder, params: RetrievalParams, environ: Mapping[str, str]
) -> Retriever:
    """Return a retriever; where the server has lost its index, it is loaded again from `folder`.

    Raises:
        ArtifactError: the index is absent, not whole, or was made with other parameters.
        RetrievalError: the server can't be used.
    """
    manifest = read_manifest(folder, manifest_path)
    wanted = {"encoder": encoder.digest, "bm25": params.bm25.model_dump()} | {
        name: dict(getattr(params, name)) for name in ("lexical_fields", "dense_fields")
    }
    if changed := sorted(name for name, value in wanted.items() if manifest.get(name) != value):
        raise ArtifactError(
            f"{folder} was made with another {', '.join(changed)} than params.yaml sets",
            hint=HINT,
        )
    pool, impacts = open_index(folder)
    if params.backend == "embedded":
        return Retriever(pool, EmbeddedBackend(pool, impacts), encoder, params)
    client, name, seal = serve_index(folder, manifest, params, environ)
    return Retriever(pool, ElasticBackend(client, name, last_write(seal), pool, params), encoder, params)
