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


def _make_empty(folder: Path) -> None:
    """Make a pipeline without a stage: what DVC itself costs."""
    folder.mkdir()
    _run(folder, "git", "init", "--quiet")
    _run(folder, "dvc", "init", "--quiet")
    (folder / "dvc.yaml").write_text("stages: {}\n")


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
        empty = Path(name) / "empty"
        _make_empty(empty)
        empties = [_least(empty, "dvc", command)[0] for command in ("repro", "status")]
        print(f"{what}: first dvc repro {first:.1f} s")
        for command, seconds, least in zip(("repro", "status"), (again, status), empties, strict=True):
            print(
                f"dvc {command} with nothing to do {seconds:.2f} s, in an empty pipeline {least:.2f} s: "
                f"{seconds / least:.1f} times"
            )


if __name__ == "__main__":
    main()
