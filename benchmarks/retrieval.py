"""Retrieval on the real sample: embedding, quality, agreement, speed, loading and growth of both backends."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks._retrieval_parts import (
    SEED,
    bench_params,
    forget,
    load_cached_encoder,
    sample_titles,
    time_queries,
    timed,
)
from benchmarks._sample import ROOT, SAMPLE, registered_sample
from trialforge.core.files import read_json, read_parquet, write_json
from trialforge.embedding.factory import load_encoder, packaged_model
from trialforge.embedding.params import EmbeddingParams
from trialforge.retrieval.documents import make_documents as tabulate
from trialforge.retrieval.documents import text_columns
from trialforge.retrieval.elastic_client import HOSTS, connect
from trialforge.retrieval.elastic_index import ServerIndex
from trialforge.retrieval.elastic_requests import make_documents, make_index
from trialforge.retrieval.evaluation import measure_agreement, measure_tasks
from trialforge.retrieval.factory import open_retriever
from trialforge.retrieval.store import build_index, map_vectors
from trialforge.retrieval.tasks import make_tasks

if TYPE_CHECKING:
    import polars as pl
    from elasticsearch import Elasticsearch

    from trialforge.embedding.encoder import Encoder, Matrix
    from trialforge.retrieval.params import RetrievalParams

PARTS = os.environ.get("BENCH_RETRIEVAL", "embedding,quality,backends,loading,growth").split(",")
QUERIES = int(os.environ.get("BENCH_RETRIEVAL_QUERIES", "500"))
EMBEDDED = int(os.environ.get("BENCH_RETRIEVAL_EMBEDDED", "60"))
SIZES = tuple(map(int, os.environ.get("BENCH_RETRIEVAL_SIZES", "5000,50000,200000").split(",")))
ROUNDS = 3


def main() -> None:
    """Print the figures; those of Elasticsearch are left out where no server is named."""
    if not SAMPLE.is_file():
        print(f"skipped: no {SAMPLE}; name its folder by TRIALFORGE_SHARED")
        return
    logging.getLogger("trialforge").setLevel(logging.ERROR)
    train, params, encoder = registered_sample(), bench_params(QUERIES), load_cached_encoder()
    if "embedding" in PARTS:
        _compare_embedding(train, params)
    if "quality" in PARTS:
        _measure_quality(train, encoder, params)
    served = bool(os.environ.get(HOSTS))
    if not served:
        print(f"\nElasticsearch: left out, {HOSTS} is not set")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "index"
        if served and {"backends", "loading"} & set(PARTS):
            write_json(build_index(train, encoder, params, folder), folder.with_suffix(".json"))
            try:
                if "backends" in PARTS:
                    _compare_backends(folder, train, encoder, params)
                if "loading" in PARTS:
                    _compare_loading(folder, params)
            finally:
                forget(params)
        if "growth" in PARTS:
            _show_growth(train, Path(name))


# --- embedding ------------------------------------------------------------------------------------


def _compare_embedding(train: pl.DataFrame, params: RetrievalParams) -> None:
    """Time our encoder and a plain loop over the same texts: batches of 32 as they come, none sorted."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()

    rows = np.sort(np.random.default_rng(SEED).permutation(train.height)[:EMBEDDED]).tolist()
    fields = text_columns(tabulate(train[rows], params.dense_fields))
    texts = [text for row in fields.iter_rows() for text in row if text]
    model = SentenceTransformer(str(packaged_model(EmbeddingParams().model)), device="cpu")
    print(f"embedding, the dense fields of {EMBEDDED} trials ({len(texts)} texts), best of 2")
    for window, windows in ((256, 1), (128, 2)):
        settings = EmbeddingParams(window=window, max_windows=windows)
        encoder = load_encoder(settings, cache=None)
        model.max_seq_length = window * windows
        ours, plain = [], []
        for _ in range(2):
            seconds, vectors = timed(lambda: encoder.encode(texts))  # noqa: B023
            ours.append(seconds)
            seconds, others = timed(lambda: _embed_plainly(model, texts))
            plain.append(seconds)
        apart = f", vectors at most {np.abs(vectors - others).max():.0e} apart" if windows == 1 else ""
        print(
            f"  the first {window * windows} tokens in {windows} window(s): "
            f"{EMBEDDED / min(ours):.1f} trials/s, plain loop {EMBEDDED / min(plain):.1f} "
            f"(first {window * windows} in one): {min(plain) / min(ours):.2f} times{apart}",
            flush=True,
        )


def _embed_plainly(model: Any, texts: Sequence[str]) -> Matrix:
    import torch

    rows = []
    with torch.inference_mode():
        for start in range(0, len(texts), 32):
            found = model(model.preprocess(list(texts[start : start + 32])))["sentence_embedding"]
            rows.append(torch.nn.functional.normalize(found, dim=1).numpy())
    return np.concatenate(rows)


# --- quality --------------------------------------------------------------------------------------


def _measure_quality(train: pl.DataFrame, encoder: Encoder, params: RetrievalParams) -> None:
    seconds, tasks = timed(lambda: make_tasks(train, encoder, params, SEED))
    print(
        f"\nthree indices of {train.height} trials made in {seconds:.1f} s (vectors from the cache, if there)"
    )
    metrics = measure_tasks(tasks, params, SEED)
    print(f"MRR of known items, {QUERIES} searches a task: mean and 95 % interval")
    for task in ("title", "criteria", "known_items"):
        shown = ", ".join(
            f"{mode} {_interval(metrics, f'{task}.{mode}.mrr')}"
            for mode in ("lexical", "dense", "hybrid", "random")
        )
        print(f"  {task:11} {shown}")
        print(f"  {'':11} hybrid minus the better of both {_interval(metrics, f'{task}.hybrid_gain.mrr')}")
    shown = ", ".join(
        f"{mode} {_interval(metrics, f'condition.{mode}.precision_10')}"
        for mode in ("lexical", "dense", "hybrid", "random")
    )
    print(f"same condition, precision at 10: {shown}", flush=True)


def _interval(metrics: dict[str, float], name: str) -> str:
    return f"{metrics[name]:.3f} [{metrics[f'{name}.low']:.3f}, {metrics[f'{name}.high']:.3f}]"


# --- both backends --------------------------------------------------------------------------------


def _compare_backends(folder: Path, train: pl.DataFrame, encoder: Encoder, params: RetrievalParams) -> None:
    manifest = folder.with_suffix(".json")
    embedded, server = (
        open_retriever(folder, manifest, encoder, params.model_copy(update={"backend": name}), os.environ)
        for name in ("embedded", "elasticsearch")
    )
    titles = sample_titles(train, QUERIES)
    agreement = measure_agreement(embedded, server, titles)
    shown = ", ".join(f"{name.split('.')[1]} {value:.4f}" for name, value in agreement.items())
    print(f"\nboth backends, top 10 of {len(titles)} titles, mean overlap: {shown}")
    vectors = embedded.encode(titles)
    print("one hybrid query, its vector known")
    medians = []
    for name, retriever in (("embedded", embedded), ("Elasticsearch", server)):
        each = time_queries(retriever, titles, vectors)
        medians.append(float(np.median(each)))
        print(f"  {name:14} median {medians[-1]:.2f} ms, 95th percentile {np.quantile(each, 0.95):.2f} ms")
    print(f"  embedded takes {medians[0] / medians[1]:.3f} of the time", flush=True)


def _compare_loading(folder: Path, params: RetrievalParams) -> None:
    """Load by `ServerIndex`, documents made on the way, and by the client's helper from ready ones."""
    manifest = read_json(folder.with_suffix(".json"))
    table, vectors = read_parquet(folder / "documents.parquet"), map_vectors(folder)
    ours, theirs = [], []
    with connect(params.elasticsearch, os.environ) as client:
        ready = list(make_documents(table, vectors))
        index = ServerIndex(client, manifest, params)
        for _ in range(ROUNDS):
            forget(params)
            seconds, _ = timed(lambda: index.ensure(lambda: make_documents(table, vectors)))
            ours.append(len(ready) / seconds)
            theirs.append(len(ready) / _load_plainly(client, manifest, params, ready))
    print(f"\nbulk load of {len(ready)} trials until they can be searched, best of {ROUNDS} taken in turn")
    print(f"  trialforge, from its table               {max(ours):7.0f} trials/s")
    print(f"  parallel_bulk (4 threads, chunks of 500) {max(theirs):7.0f} trials/s, of ready documents")
    print(f"  trialforge reaches {max(ours) / max(theirs):.2f} of it", flush=True)


def _load_plainly(
    client: Elasticsearch, manifest: dict[str, Any], params: RetrievalParams, ready: Sequence[dict[str, Any]]
) -> float:
    from elasticsearch.helpers import parallel_bulk

    name = f"{params.elasticsearch.alias}-plain"
    start = time.perf_counter()
    client.indices.create(index=name, **make_index(params, manifest["mapping"], {}))
    actions = ({"_index": name, "_id": row["nct_id"], "_source": row} for row in ready)
    for _ in parallel_bulk(client, actions, thread_count=4, chunk_size=500):
        pass
    client.indices.refresh(index=name)
    seconds = time.perf_counter() - start
    client.indices.delete(index=name)
    return seconds


# --- growth ---------------------------------------------------------------------------------------


def _show_growth(train: pl.DataFrame, folder: Path) -> None:
    sample = folder / "sample.parquet"
    train.write_parquet(sample)
    print(
        "\ngrowth: the sample repeated, its long words changed in each copy; the vectors are stand-ins\n"
        "  (the sample's, moved at random), so that no embedding is in `load`. Memory is the peak of the\n"
        "  process that builds (embedded), or the server's heap in use after the queries\n"
        "  trials  backend        load s  open s  disk MB  memory MB  hybrid query ms (p95)"
    )
    for size in SIZES:
        script = [sys.executable, "-m", "benchmarks._retrieval_growth"]
        command = [*script, sample, str(size), folder / str(size)]
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as child:
            for line in child.stdout or ():
                print(_growth_row(json.loads(line)), flush=True)
        if child.returncode:
            raise RuntimeError(f"the run of {size} trials failed")


def _growth_row(found: dict[str, Any]) -> str:
    # The server's index is loaded when it is opened, from the one on disk.
    load, opened = (found["build_s"], found["open_s"]) if "build_s" in found else (found["open_s"], 0.0)
    return (
        f"  {found['trials']:>6}  {found['backend']:13}  {load:6.1f}  {opened:6.2f}  {found['disk_mb']:7.0f}"
        f"  {found['memory_mb']:9.0f}  {found['median_ms']:.2f} ({found['p95_ms']:.2f})"
    )


if __name__ == "__main__":
    main()
