"""An idle pipeline: `dvc repro` and `dvc status` when nothing has changed, in a clone of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHEAP = ("ingest", "split", "plan")
IDLE = "up to date"


def _run(folder: Path, *command: str, check: bool = True) -> tuple[float, str]:
    """Return the seconds of a command and what it said."""
    environment = os.environ | {"PYTHONPATH": f"{folder / 'src'}:{folder}", "DVC_NO_ANALYTICS": "1"}
    if command[0] == "dvc":
        command = (sys.executable, "-m", *command)
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")
    return time.perf_counter() - start, done.stdout


def _least(folder: Path, *command: str) -> tuple[float, str]:
    """Return the seconds of the fastest of five runs, and what it said."""
    return min(_run(folder, *command) for _ in range(5))


def _choose_stages(clone: Path) -> tuple[str, ...]:
    """Return () for the whole graph where its outs are cached and current, else some stages that run soon."""
    _run(clone, "dvc", "cache", "dir", "--local", str(ROOT / ".dvc/cache"))
    _run(clone, "dvc", "checkout", "--quiet", check=False)
    if IDLE in _run(clone, "dvc", "status")[1]:
        return ()
    _run(clone, "dvc", "cache", "dir", "--local", "--unset")
    return CHEAP


def _empty_status(folder: Path) -> float:
    """Return the seconds of `dvc status` where there is nothing at all: what DVC itself costs."""
    folder.mkdir()
    _run(folder, "git", "init", "--quiet")
    _run(folder, "dvc", "init", "--quiet")
    (folder / "dvc.yaml").write_text("stages: {}\n")
    return _least(folder, "dvc", "status")[0]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "clone"
        _run(ROOT, "git", "clone", "--quiet", str(ROOT), str(clone))
        stages = _choose_stages(clone)
        first, _ = _run(clone, "dvc", "repro", *stages)
        again, said = _least(clone, "dvc", "repro", *stages)
        status, idle = _least(clone, "dvc", "status", *stages)
        if IDLE not in said or IDLE not in idle:
            raise RuntimeError(f"the second dvc repro ran something:\n{said}\n{idle}")
        what = f"{', '.join(stages)} (the other outs are not cached here)" if stages else "the whole graph"
        empty = _empty_status(Path(name) / "empty")
        print(f"{what}: first dvc repro {first:.1f} s")
        print(f"second dvc repro {again:.1f} s, it runs nothing; dvc status {status:.1f} s")
        print(f"dvc status of an empty pipeline {empty:.1f} s; repro again is {again / empty:.1f} times that")


if __name__ == "__main__":
    main()
