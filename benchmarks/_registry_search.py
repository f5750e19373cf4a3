"""An index, exemplars of a plan, and searches: `python -m benchmarks._registry_search WHAT PATH ...`.

To embed a whole registry takes hours on two cores, so vectors are stand-ins, drawn at random. What is printed
is a JSON object of figures.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks._retrieval_parts import bench_params, sample_titles, time_queries, timed
from trialforge.core.files import write_json
from trialforge.embedding.encoder import Matrix
from trialforge.retrieval.exemplars import choose_exemplars
from trialforge.retrieval.factory import open_retriever
from trialforge.retrieval.store import build_index

QUERIES = 200


class DrawnEncoder:
    """Vectors that are drawn by the text."""

    digest, dimension = "drawn", 384

    def encode(self, texts: Sequence[str]) -> Matrix:
        seed = zlib.crc32("".join(texts[:1]).encode())
        rows = np.random.default_rng(seed).standard_normal((len(texts), self.dimension), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


def build(train: Path, index: Path) -> None:
    """Write the index and its manifest."""
    write_json(
        build_index(pl.read_parquet(train), DrawnEncoder(), bench_params(), index), index.with_suffix(".json")
    )


def search(train: Path, index: Path, plan: Path, exemplars: Path) -> None:
    """Choose the exemplars of a plan, then time searches by a title."""
    encoder, params = DrawnEncoder(), bench_params()
    open_s, retriever = timed(
        lambda: open_retriever(index, index.with_suffix(".json"), encoder, params, os.environ)
    )
    choose_exemplars(pl.read_parquet(plan), None, retriever, params).write_parquet(exemplars)
    titles = sample_titles(pl.read_parquet(train, columns=["title"]), QUERIES)
    each = time_queries(retriever, titles, encoder.encode(titles))
    figures = {
        "open_s": open_s,
        "median_ms": float(np.median(each)),
        "p95_ms": float(np.quantile(each, 0.95)),
    }
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    {"build": build, "search": search}[sys.argv[1]](*map(Path, sys.argv[2:]))
