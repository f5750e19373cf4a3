"""What the benchmarks of retrieval share: parameters of their own, queries and how they are timed."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import yaml

from benchmarks._sample import ROOT
from trialforge.embedding.factory import load_encoder
from trialforge.embedding.params import EmbeddingParams
from trialforge.retrieval.elastic_client import connect
from trialforge.retrieval.params import RetrievalParams
from trialforge.retrieval.query import Query

if TYPE_CHECKING:
    import polars as pl

    from trialforge.embedding.encoder import Encoder, Matrix
    from trialforge.retrieval.retriever import Retriever

SEED = 20412
T = TypeVar("T")


def bench_params(queries: int = 100) -> RetrievalParams:
    """Return the parameters of params.yaml, with an alias that nobody else has."""
    section = yaml.safe_load((ROOT / "params.yaml").read_text())["retrieval"]
    section["elasticsearch"]["alias"] = f"bench-{uuid.uuid4().hex[:12]}"
    section["evaluation"]["queries"] = queries
    return RetrievalParams.model_validate(section)


def load_cached_encoder() -> Encoder:
    """Return the default encoder with the vectors that this checkout has, or BENCH_VECTORS names."""
    cache = Path(os.environ.get("BENCH_VECTORS", ROOT / ".trialforge/vectors.sqlite"))
    return load_encoder(EmbeddingParams(), cache)


def forget(params: RetrievalParams) -> None:
    """Delete all indices of the alias from the server."""
    with connect(params.elasticsearch, os.environ) as client:
        for name in client.indices.get(index=f"{params.elasticsearch.alias}*"):
            client.indices.delete(index=name)


def sample_titles(train: pl.DataFrame, count: int) -> list[str]:
    """Return the titles of some trials."""
    rows = np.random.default_rng(SEED).permutation(train.height).tolist()
    return [text for text in train["title"][rows].to_list() if text][:count]


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds of some work, and what it gave."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def time_queries(retriever: Retriever, texts: Sequence[str], vectors: Matrix) -> list[float]:
    """Return milliseconds a hybrid query whose vector is known: the better of two, after a warm-up."""
    queries = [Query(text, "hybrid", 10, vector=vector) for text, vector in zip(texts, vectors, strict=True)]
    for query in queries:
        retriever.search(query)
    rounds = [[timed(lambda: retriever.search(query))[0] * 1e3 for query in queries] for _ in range(2)]  # noqa: B023
    best: list[float] = np.min(rounds, axis=0).tolist()
    return best
