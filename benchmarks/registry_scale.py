"""The whole registry on this machine: time, peak memory and growth of each stage, from a folder to measures.

    python -m benchmarks.registry_scale 5000 50000 200000 550000

Records are the samples again and again under new ids, half XML and half AACT, with their words changed so
that no two are near-duplicates. Peak memory is that of the largest process of a stage. Embedding takes longer
than all else together, so `index` has vectors that are drawn; with BENCH_SCALE_EMBED=1 the stage runs too.
BENCH_SCALE_RECORDS is the number of records that `measure` reads (20), BENCH_SCALE_FOLDER where to work.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from benchmarks._sample import AACT, ROOT, SAMPLE
from trialforge.core.files import write_json

RECORDS = int(os.environ.get("BENCH_SCALE_RECORDS", "20"))
SHOWN = 3
_SET_CHILD_SUBREAPER = 36  # of Linux's prctl
_TABLES = ("train", "validation", "test", "held_back")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one stage took: seconds, seconds of the processor, MB of its largest process, and what it said."""

    seconds: float
    processor: float
    memory: float
    said: str = ""


def run(folder: Path, *command: str) -> Cost:
    """Run a Python module in a folder.

    Raises:
        RuntimeError: it failed.
    """
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    # The server that forks a stage's workers ends after the stage, and is then a child of this process.
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    start = time.perf_counter()
    with (folder / "said.txt").open("w") as out:
        process = subprocess.Popen([sys.executable, "-m", *command], cwd=folder, env=environment, stdout=out)
        _, status, first = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    used = [first]
    with suppress(ChildProcessError):
        while True:
            used.append(os.wait4(-1, 0)[2])
    processor = sum(one.ru_utime + one.ru_stime for one in used)
    said = (folder / "said.txt").read_text()
    return Cost(seconds, processor, max(one.ru_maxrss for one in used) / 1024, said)


def options(**paths: str) -> list[str]:
    """Return the options of a stage's command."""
    return [f"--{name.replace('_', '-')}={path}" for name, path in paths.items()]


def run_stages(size: int, folder: Path) -> dict[str, Cost]:
    """Make a folder of records and run all stages on it; return what each took, by its name."""
    costs: dict[str, Cost] = {}

    def stage(name: str, *command: str) -> Cost:
        costs[name] = cost = run(folder, *command)
        print(
            f"{size:>9,} {name:<10} {cost.seconds:8.1f} s {cost.processor:8.1f} s CPU {cost.memory:8.0f} MB  "
            f"{1e3 * cost.seconds / size:6.2f} ms a record",
            flush=True,
        )
        return cost

    # In a process of its own: a stage would begin with the memory of this one as its peak.
    run(folder, "benchmarks._registry_folder", str(size), "data/raw/trials")
    _write_params(folder)
    outs = options(trials="data/trials.parquet", refused="data/refused.parquet", metrics="m/ingest.json")
    stage("ingest", "stages.ingest", *outs)
    parts = options(**{name: f"data/{name}.parquet" for name in ("split", *_TABLES)})
    outs = options(metrics="m/split.json", presence="presence.csv", drafts="data/drafts.parquet")
    stage("split", "stages.split", "data/trials.parquet", *parts, *outs)
    outs = options(blocks="data/blocks.parquet", plan="data/plan.parquet", metrics="m/plan.json")
    stage("plan", "stages.plan", "data/train.parquet", *outs)
    if os.environ.get("BENCH_SCALE_EMBED"):
        outs = options(index="data/embedded", manifest="data/embedded.json")
        stage("embed", "stages.index", "data/train.parquet", *outs)
    stage("index", "benchmarks._registry_search", "build", "data/train.parquet", "data/index")
    paths = ("data/train.parquet", "data/index", "data/plan.parquet", "data/exemplars.parquet")
    found = json.loads(stage("retrieve", "benchmarks._registry_search", "search", *paths).said)
    print(
        f"{size:>9,} a search: median {found['median_ms']:.1f} ms, 95th percentile {found['p95_ms']:.1f} ms"
    )
    _write_synthetic(folder)
    tables = options(
        **{name: f"data/{name}.parquet" for name in (*_TABLES, "drafts", "exemplars")},
        reasons="data/exemplars.parquet", validated="m/validated.json", metrics="m/quality.json",
        plots="plots",
    )  # fmt: skip
    stage("measure", "stages.measure", "data/synthetic.parquet", *tables)
    return costs


def _write_params(folder: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    every = dict.fromkeys(params["ingest"]["population"])
    params["ingest"] |= {"source": "registry", "population": every, "labels": ["status"]}
    params["split"]["strategy"] = "random"
    params["plan"] |= {"min_success": 1, "min_failure": 1, "label_shares": "equal"}
    params["quality"]["gates"] = {}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def _write_synthetic(folder: Path) -> None:
    """Write validation trials as records, each with exemplars of train."""
    labelled = pl.read_parquet(folder / "data/validation.parquet").drop_nulls("label")
    records = labelled.sample(min(RECORDS, len(labelled)), seed=1)
    ids = pl.read_parquet(folder / "data/train.parquet", columns=["nct_id"])["nct_id"].to_numpy()
    shown = [
        ids[places].tolist()
        for places in np.random.default_rng(1).integers(0, len(ids), (len(records), SHOWN))
    ]
    records.with_columns(
        pl.format("SYN-{}", "nct_id").alias("nct_id"),
        intervention=pl.col("normalized_interventions").list.first(),
        arm=pl.lit("retrieval-reasoning"),
        exemplars=pl.Series(shown),
    ).write_parquet(folder / "data/synthetic.parquet")
    write_json({}, folder / "m/validated.json")


def print_growth(sizes: Sequence[int], costs: Sequence[dict[str, Cost]]) -> None:
    """Print, for each stage, how memory and time a record grow from each size to the next."""
    for smaller, larger in zip(range(len(sizes)), range(1, len(sizes)), strict=False):
        print(f"from {sizes[smaller]:,} to {sizes[larger]:,} records: memory, time a record")
        for name, cost in costs[larger].items():
            before = costs[smaller][name]
            each = cost.seconds / sizes[larger] / (before.seconds / sizes[smaller])
            print(f"  {name:<10} {cost.memory / before.memory:5.2f} {each:5.2f}")


def main(arguments: Sequence[str] = ()) -> None:
    """Run all sizes, the smallest first."""
    if not SAMPLE.is_file() or not AACT.is_file():
        print(f"skipped: no {SAMPLE} or {AACT}; name their folder by TRIALFORGE_SHARED")
        return
    sizes = sorted(int(size.replace(",", "")) for size in arguments or ("5000",))
    costs = []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_SCALE_FOLDER")) as name:
            costs.append(run_stages(size, Path(name)))
    print_growth(sizes, costs)


if __name__ == "__main__":
    main(sys.argv[1:])
