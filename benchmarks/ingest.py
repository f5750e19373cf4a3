"""Ingest: trials a second from zip to Parquet, of legacy XML and of AACT, and memory by size.

XML is compared with a plain xml.etree loop: both write a Parquet table of all fields without people, and the
tables are compared. What the plain loop is, `_plain_xml` says. It has one core and ours has all of them, as
each was written. Memory is that of the whole stage, with the sample again and again under new ids.
"""

from __future__ import annotations

import math
import os
import re
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import psutil
import yaml

from benchmarks._plain_xml import read_plainly, scrubbed
from benchmarks._sample import AACT, ROOT, SAMPLE
from trialforge.core.files import write_parquet
from trialforge.ingest.registry import RegistrySource
from trialforge.ingest.source import prepare_batch
from trialforge.ingest.table import TableWriter
from trialforge.trial.record import trials_to_frame

SIZES = tuple(map(int, os.environ.get("BENCH_INGEST_SIZES", "50000,200000").split(",")))
AACT_TIMES = tuple(map(int, os.environ.get("BENCH_INGEST_AACT_TIMES", "4,40").split(",")))
ROUNDS = 3


def _ours(out: Path, sample: Path = SAMPLE) -> int:
    with TableWriter(out) as table:
        for batch in RegistrySource(sample).batches(prepare_batch):
            table.add(batch.trials)
        table.merge()
        table.finish()
    return int(pl.scan_parquet(out).select(pl.len()).collect().item())


def _plain(out: Path) -> None:
    write_parquet(trials_to_frame([scrubbed(trial) for trial in read_plainly(SAMPLE)]), out)


def _plain_with_people(out: Path) -> None:
    write_parquet(trials_to_frame(read_plainly(SAMPLE)), out)


def _compare_speed(folder: Path, count: int) -> None:
    """Time each in turn, round by round, so that what else the machine does falls on all alike."""
    works = {
        "trialforge": _ours,
        "plain xml.etree, the same table": _plain,
        "plain xml.etree, people left in": _plain_with_people,
    }
    best = dict.fromkeys(works, math.inf)
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = time.perf_counter()
            work(folder / f"{name}.parquet")
            best[name] = min(best[name], time.perf_counter() - start)
    tables = [pl.read_parquet(folder / f"{name}.parquet") for name in works]
    if not tables[0].equals(tables[1]):
        raise RuntimeError("the plain loop makes another table")
    print(f"zip to Parquet, all fields, {count} records, best of {ROUNDS} rounds, {os.cpu_count()} cores")
    for name, seconds in best.items():
        ratio = seconds / best["trialforge"]
        print(f"  {name:32} {count / seconds:6.0f} trials/s, {ratio:.1f} times the time of trialforge")


def _time_aact(folder: Path) -> None:
    seconds = math.inf
    for _ in range(ROUNDS):
        start = time.perf_counter()
        count = _ours(folder / "aact.parquet", AACT)
        seconds = min(seconds, time.perf_counter() - start)
    print(f"AACT, zip to Parquet, {count} trials, best of {ROUNDS} rounds: {count / seconds:.0f} trials/s")


def _repeat_aact(path: Path, times: int) -> None:
    """Write AACT's tables with all rows again and again, each time under new ids."""
    with (
        zipfile.ZipFile(AACT) as sample,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
    ):
        ids = re.findall(rb"(?m)^NCT\d{8}", sample.read("studies.txt"))
        for name in sample.namelist():
            head, _, rows = sample.read(name).partition(b"\n")
            with file.open(name, "w", force_zip64=True) as member:
                member.write(head + b"\n")
                for number in range(times):
                    new = {nct_id: b"NCT%08d" % (number * len(ids) + at) for at, nct_id in enumerate(ids)}
                    member.write(re.sub(rb"NCT\d{8}", partial(_replace, new), rows))


def _replace(new: dict[bytes, bytes], found: re.Match[bytes]) -> bytes:
    return new.get(found[0], found[0])


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
    """Run the whole stage; return its seconds and the peak memory of all its processes together in MB."""
    raw = folder / "data/raw" / source.name
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.unlink(missing_ok=True)
    raw.symlink_to(source.resolve())
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["ingest"] |= {"source": "registry", "path": f"data/raw/{source.name}", "labels": ["status"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    outs = [f"--{name}={folder / file}" for name, file in
            (("trials", "t.parquet"), ("refused", "r.parquet"), ("metrics", "m.json"))]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    start = time.perf_counter()
    process = psutil.Popen([sys.executable, "-m", "stages.ingest", *outs], cwd=folder, env=environment)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _resident(process))
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"the stage failed with status {process.returncode}")
    return time.perf_counter() - start, peak / 2**20


def _resident(process: psutil.Process) -> int:
    size = 0
    try:
        for one in (process, *process.children(recursive=True)):
            size += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return size


def main() -> None:
    if not SAMPLE.is_file():
        print(f"skipped: no {SAMPLE}; name its folder by TRIALFORGE_SHARED")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(SAMPLE) as file:
            count = len(file.namelist())
        _compare_speed(folder, count)
        seconds, _ = _run_stage(SAMPLE, folder)
        print(f"  the whole stage, from a cold start {count / seconds:6.0f} trials/s, with labels and names")
        _measure_memory("XML", folder, SIZES, _repeat_sample)
        _time_aact(folder)
        _measure_memory("AACT, times the sample", folder, AACT_TIMES, _repeat_aact)


def _measure_memory(
    what: str, folder: Path, sizes: tuple[int, ...], repeat: Callable[[Path, int], None]
) -> None:
    peaks = []
    for size in sizes:
        repeat(folder / "many.zip", size)
        seconds, peak = _run_stage(folder / "many.zip", folder)
        peaks.append(peak)
        print(f"{what}, {size}: {seconds:.1f} s, peak memory {peak:.0f} MB")
    print(f"  peak of the largest over that of the smallest: {peaks[-1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
