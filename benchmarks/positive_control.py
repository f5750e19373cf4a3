"""Do more real trials help on a real corpus? Where they do not, a study of synthetic ones could show nothing.

The stages ingest, split and plan part a corpus into blocks of 25; the study then trains on real trials alone.
It needs no language model, so it says before hours of generation whether a corpus is fit for them.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from benchmarks._sample import ROOT, SHARED
from benchmarks.registry_scale import options, run
from trialforge.core.params import load_section
from trialforge.learning.params import LearningParams
from trialforge.learning.tables import make_tables
from trialforge.study.exchange import compare_areas
from trialforge.study.params import StudyParams
from trialforge.study.study import make_corpus, run_study
from trialforge.trial.draft_fields import WRITTEN_FIELDS

POOLS = int(os.environ.get("BENCH_POOLS", "40"))
SEED = 41
CURVE = (1, 2, 4, 6, 8, 12, 16)
CORPORA: dict[str, dict[str, Any]] = {
    "AACT, open labels": {"ingest.source": "registry", "ingest.labels": ["csv", "results", "status"]},
    "TOP, open labels": {
        "ingest.source": "top", "ingest.labels": ["csv"], "split.strategy": "intervention",
    },
    "TOP, its own labels": {
        "ingest.source": "top", "ingest.labels": ["top"], "split.strategy": "intervention",
    },
}  # fmt: skip
TABLES = ("train", "validation", "test", "held_back")


def main() -> None:
    """Print the learning curve of real trials for each corpus, and the test of more real ones."""
    if not SHARED.is_dir():
        print(f"skipped: no {SHARED}; name its parent by TRIALFORGE_SHARED")
        return
    for name, changes in CORPORA.items():
        with tempfile.TemporaryDirectory() as folder:
            _measure(name, Path(folder), changes)


def _measure(name: str, folder: Path, changes: dict[str, Any]) -> None:
    blocks = _make_blocks(folder, changes)
    learning = load_section(LearningParams, "learning", folder / "params.yaml")
    parts = {part: pl.read_parquet(folder / f"data/{part}.parquet") for part in TABLES}
    parts["held-back"] = parts.pop("held_back")
    tables = make_tables(parts, learning.fields, None, None, pl.read_parquet(folder / "data/drafts.parquet"))
    none = pl.DataFrame(schema={"nct_id": pl.String, "target_id": pl.String, "block": pl.Int64})
    corpus = make_corpus(tables, parts["test"], blocks, none, none)
    params = StudyParams(
        sizes=(4,), curve=CURVE, pools=POOLS, draws=200, models=("tfidf-logreg", "embedding-logreg"), arms=(),
        primary="real",
    )  # fmt: skip
    start = time.perf_counter()
    result = run_study(corpus, params, learning, SEED)
    seconds = time.perf_counter() - start
    print(
        f"{name}: {corpus.blocks} blocks of 25, {corpus.test.height} test trials, {POOLS} pools a size, "
        f"{seconds:.0f} s"
    )
    for model in params.models:
        curve = result.curve(model)
        print(f"  {model}: " + ", ".join(f"{size} {areas.mean:.3f}" for size, areas in sorted(curve.items())))
        for more in (200, 300):
            if more in curve:
                gain = compare_areas(curve[more], curve[100], result.clusters)
                low, high = gain.interval(0.95)
                told = f"{gain.value:+.3f} ({low:+.3f} to {high:+.3f}), p = {gain.p():.4f}"
                print(f"  {more - 100} more real trials than 100: {told}", flush=True)


def _make_blocks(folder: Path, changes: dict[str, Any]) -> pl.DataFrame:
    """Run the stages up to the plan in a folder, on the real data, and return the blocks."""
    raw = folder / "data/raw"
    (raw / "trials").mkdir(parents=True)
    shutil.copy(SHARED / "aact/aact.sample.zip", raw / "trials")
    shutil.copytree(SHARED / "top", raw / "top")
    with gzip.open(SHARED / "labels/open_labels.csv.gz") as packed:
        (raw / "labels.csv").write_bytes(packed.read())
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, value in {**changes, "blocks.enabled": True, "generation.fields": [*WRITTEN_FIELDS]}.items():
        section, _, item = key.partition(".")
        params[section][item] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    run(
        folder, "stages.ingest",
        *options(trials="data/trials.parquet", refused="data/refused.parquet", metrics="ingest.json"),
    )  # fmt: skip
    paths = {name: f"data/{name}.parquet" for name in ("split", *TABLES, "drafts")}
    run(
        folder, "stages.split", "data/trials.parquet",
        *options(**paths, metrics="split.json", presence="presence.csv"),
    )  # fmt: skip
    run(
        folder, "stages.plan", "data/train.parquet",
        *options(plan="data/plan.parquet", blocks="data/blocks.parquet", metrics="plan.json"),
    )  # fmt: skip
    return pl.read_parquet(folder / "data/blocks.parquet")


if __name__ == "__main__":
    main()
