"""An index on disk, its alias on a real server, and what the server has of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.unit.retrieval.small_pool import WordEncoder, make_params, make_trials
from trialforge.core.files import read_parquet, write_json
from trialforge.retrieval.elastic_client import connect
from trialforge.retrieval.elastic_index import ServerIndex, index_name
from trialforge.retrieval.elastic_requests import make_documents
from trialforge.retrieval.factory import open_retriever
from trialforge.retrieval.params import RetrievalParams
from trialforge.retrieval.retriever import Retriever
from trialforge.retrieval.store import build_index, map_vectors

if TYPE_CHECKING:
    import polars as pl
    from elasticsearch import Elasticsearch

QUICK = {
    "retries": 3,
    "backoff": 0.02,
    "max_backoff": 0.1,
    "chunk_size": 20,
    "bulk_threads": 2,
    "timeout": 20,
}


def many_trials(count: int, label: int = 1) -> pl.DataFrame:
    """Trials with a word of their own each, and words that they share."""
    return make_trials(
        [
            {
                "nct_id": f"NCT{number:05}",
                "title": f"Metformin number w{number} in diabetes {'of adults' if number % 3 else ''}",
                "summary": f"Sugar of group {number % 7} " + "x" * (number % 5),
                "normalized_interventions": ["metformin" if number % 2 else "insulin"],
                "phase": "Phase 2",
                "label": label if number == 7 else number % 2,
            }
            for number in range(count)
        ]
    )


@dataclass
class Served:
    """An index in `folder`, to be served under `params.elasticsearch.alias` by the server of `environ`."""

    folder: Path
    params: RetrievalParams
    environ: dict[str, str]
    manifest: dict[str, Any] = field(default_factory=dict)

    def build(self, train: pl.DataFrame) -> Served:
        manifest = build_index(train, WordEncoder(), self.params, self.folder)
        write_json(manifest, self.folder.with_suffix(".json"))
        return replace(self, manifest=manifest)

    def at(self, environ: Mapping[str, str], **server: object) -> Served:
        changed = self.params.elasticsearch.model_copy(update=server)
        return replace(
            self, environ=dict(environ), params=self.params.model_copy(update={"elasticsearch": changed})
        )

    @property
    def name(self) -> str:
        return index_name(self.params.elasticsearch, self.manifest["hash"])

    def open(self, backend: str = "elasticsearch") -> Retriever:
        params = self.params.model_copy(update={"backend": backend})
        return open_retriever(
            self.folder, self.folder.with_suffix(".json"), WordEncoder(), params, self.environ
        )

    def ensure(self) -> str:
        with connect(self.params.elasticsearch, self.environ) as client:
            return ServerIndex(client, self.manifest, self.params).ensure(self.documents)

    def documents(self) -> Iterator[dict[str, Any]]:
        documents = read_parquet(self.folder / "documents.parquet")
        return make_documents(documents, map_vectors(self.folder))


def serve_small(folder: Path, alias: str, url: str, **server: object) -> Served:
    params = make_params(backend="elasticsearch", elasticsearch={**QUICK, "alias": alias, **server})
    return Served(folder, params, {"ELASTICSEARCH_URL": url})


def named_by(client: Elasticsearch, alias: str) -> set[str]:
    """The indices that the alias names."""
    return set(client.indices.get_alias(name=alias)) if client.indices.exists_alias(name=alias) else set()


def indices_of(client: Elasticsearch, alias: str) -> set[str]:
    return set(client.indices.get(index=f"{alias}*"))
