"""Ingest: trials a second against a plain xml.etree loop, memory by size, and the times of an idle DVC."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks._plain_xml import read_plainly
from trialforge.corpus.registry import XmlSource
from trialforge.corpus.table import TableWriter
from trialforge.files import write_parquet
from trialforge.trial import trials_to_frame

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = (
    Path(os.environ.get("TRIALFORGE_SHARED", ROOT.parent / "shared")) / "data/ctgov/AllPublicXML.sample.zip"
)
SIZES = tuple(map(int, os.environ.get("BENCH_INGEST_SIZES", "50000,200000").split(",")))
ROUNDS = 3


def _best(work: Callable[[], None]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _read_to_parquet(out: Path) -> None:
    with TableWriter(out) as table:
        for batch in XmlSource(SAMPLE).batches():
            table.add(batch.trials)
        table.finish()


def _repeat_sample(path: Path, size: int) -> None:
    """Write a zip of `size` records: the sample again and again, each time under new ids."""
    with (
        zipfile.ZipFile(SAMPLE) as sample,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
    ):
        members = [(name.rpartition("/")[2][:-4], sample.read(name)) for name in sample.namelist()]
        for number in range(size):
            old, data = members[number % len(members)]
            new = f"NCT{number:08d}"
            file.writestr(f"{new[:7]}xxxx/{new}.xml", data.replace(old.encode(), new.encode()))


def _run_stage(source: Path, folder: Path) -> tuple[float, float]:
    """Run the whole stage in its own process; return its seconds and its peak memory in MB."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["corpus"] |= {"source": "ctgov-xml", "path": str(source), "labels": "status"}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    outs = [f"--{name}={folder / file}" for name, file in
            (("trials", "t.parquet"), ("refused", "r.parquet"), ("metrics", "m.json"))]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "stages.ingest", *outs], cwd=folder, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"the stage failed with status {status}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def _time_dvc(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run(["dvc", *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    if not SAMPLE.is_file():
        print(f"skipped: no {SAMPLE}; name its folder by TRIALFORGE_SHARED")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(SAMPLE) as file:
            count = len(file.namelist())
        ours = _best(lambda: _read_to_parquet(folder / "ours.parquet"))
        plain = _best(lambda: write_parquet(trials_to_frame(read_plainly(SAMPLE)), folder / "plain.parquet"))
        print(f"zip to Parquet, all fields, {count} records, best of {ROUNDS}")
        print(f"  trialforge        {count / ours:8.0f} trials/s")
        print(f"  plain xml.etree   {count / plain:8.0f} trials/s   ours is {plain / ours:.1f} times as fast")
        seconds, _ = _run_stage(SAMPLE, folder)
        print(f"  the whole stage   {count / seconds:8.0f} trials/s   (with start, people, labels, names)")
        peaks = []
        for size in SIZES:
            _repeat_sample(folder / "many.zip", size)
            seconds, peak = _run_stage(folder / "many.zip", folder)
            peaks.append(peak)
            print(
                f"  {size} records: {seconds:.1f} s, {size / seconds:.0f} trials/s, peak memory {peak:.0f} MB"
            )
        print(f"  peak of the largest over that of the smallest: {peaks[-1] / peaks[0]:.2f}")
    if (ROOT / "dvc.lock").is_file():
        _time_dvc("repro")
        print(f"second dvc repro {_time_dvc('repro'):.1f} s, dvc status {_time_dvc('status'):.1f} s")
    else:
        print("dvc repro and status: skipped, the pipeline has not run here")


if __name__ == "__main__":
    main()
