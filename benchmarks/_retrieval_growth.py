"""One size of the pool in a process of its own: `python -m benchmarks._retrieval_growth SAMPLE SIZE FOLDER`.

The sample is repeated with its long words changed in each copy, so that the vocabulary grows with the pool.
To embed 200,000 trials takes hours on two cores, so vectors are stand-ins: the sample's, each copy's moved
at random. Each line of what is printed is a JSON object: the figures of one backend.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks._retrieval_parts import (
    bench_params,
    forget,
    load_cached_encoder,
    sample_titles,
    time_queries,
    timed,
)
from trialforge.core.files import write_json
from trialforge.embedding.encoder import Encoder, Matrix
from trialforge.retrieval.elastic_client import HOSTS, connect
from trialforge.retrieval.factory import open_retriever
from trialforge.retrieval.params import RetrievalParams
from trialforge.retrieval.store import build_index

NOISE = 0.02
MB = 1e6


class NearbyEncoder:
    """Vectors of a repeated pool: those of the sample for its first trials, then moved ones."""

    def __init__(self, encoder: Encoder, known: int, seed: int) -> None:
        self._encoder, self._known, self._seed = encoder, known, seed
        self.digest, self.dimension = f"near-{encoder.digest}", encoder.dimension

    def encode(self, texts: Sequence[str]) -> Matrix:
        known = self._encoder.encode(texts[: self._known])
        noise = np.random.default_rng(self._seed)
        rows = known[np.arange(len(texts)) % len(known)]
        rows[len(known) :] += (
            noise.standard_normal((len(texts) - len(known), self.dimension), np.float32) * NOISE
        )
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


def repeat_sample(train: pl.DataFrame, size: int) -> pl.DataFrame:
    """Return `size` trials; ids sort by the copy, so a row's place says which trial of the sample it was."""
    first = train.sort("nct_id")
    copies = [
        first.with_columns(
            pl.format("C{}-{}", pl.lit(f"{number:03}"), pl.col("nct_id")).alias("nct_id"),
            *(
                pl.col(name).str.replace_all(r"\b(\w{10,})\b", f"${{1}}q{number}")
                for name in ("title", "summary", "criteria")
                if number
            ),
        )
        for number in range(-(-size // first.height))
    ]
    return pl.concat(copies).head(size)


def main(sample: Path, size: int, folder: Path) -> None:
    """Measure one size and print the figures."""
    logging.getLogger("trialforge").setLevel(logging.ERROR)
    train, params, seed = pl.read_parquet(sample), bench_params(), 20412
    encoder = load_cached_encoder()
    titles = sample_titles(train, 60)
    vectors = encoder.encode(titles)
    pool = repeat_sample(train, size)
    near = NearbyEncoder(encoder, min(train.height, size), seed)
    build_s, manifest = timed(lambda: build_index(pool, near, params, folder))
    write_json(manifest, folder.with_suffix(".json"))
    figures = {"build_s": build_s, "disk_mb": sum(path.stat().st_size for path in folder.iterdir()) / MB}
    figures["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    _say(size, "embedded", figures | _measure(params, folder, near, titles, vectors))
    if not os.environ.get(HOSTS):
        return
    served = params.model_copy(update={"backend": "elasticsearch"})
    try:
        times = _measure(served, folder, near, titles, vectors)
        with connect(params.elasticsearch, os.environ) as client:
            stats = client.indices.stats(index=params.elasticsearch.alias, metric="store")
            node = next(iter(client.nodes.stats(metric="jvm")["nodes"].values()))
        figures = {"disk_mb": stats["_all"]["total"]["store"]["size_in_bytes"] / MB}
        figures["memory_mb"] = node["jvm"]["mem"]["heap_used_in_bytes"] / MB
        _say(size, "elasticsearch", figures | times)
    finally:
        forget(params)


def _say(size: int, backend: str, figures: dict[str, float]) -> None:
    sys.stdout.write(json.dumps({"trials": size, "backend": backend, **figures}) + "\n")
    sys.stdout.flush()


def _measure(
    params: RetrievalParams, folder: Path, encoder: Encoder, titles: Sequence[str], vectors: Matrix
) -> dict[str, float]:
    manifest = folder.with_suffix(".json")
    start = time.perf_counter()
    retriever = open_retriever(folder, manifest, encoder, params, os.environ)
    opened = time.perf_counter() - start
    each = time_queries(retriever, titles, vectors)
    return {"open_s": opened, "median_ms": float(np.median(each)), "p95_ms": float(np.quantile(each, 0.95))}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
