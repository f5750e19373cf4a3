"""An idle pipeline: `dvc repro` and `dvc status` when nothing has changed, in a clone of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHEAP = ("ingest", "split", "plan")  # what is run first where the outs of the lock are not in the cache


def _run(folder: Path, *command: str, check: bool = True) -> tuple[float, str, int]:
    environment = os.environ | {"PYTHONPATH": f"{folder / 'src'}:{folder}", "DVC_NO_ANALYTICS": "1"}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")
    return time.perf_counter() - start, done.stdout, done.returncode


def _empty_status(folder: Path) -> float:
    """Return the seconds of `dvc status` where there is nothing at all: what DVC itself costs."""
    folder.mkdir()
    _run(folder, "git", "init", "--quiet")
    _run(folder, "dvc", "init", "--quiet")
    (folder / "dvc.yaml").write_text("stages: {}\n")
    return min(_run(folder, "dvc", "status")[0] for _ in range(3))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "clone"
        _run(ROOT, "git", "clone", "--quiet", str(ROOT), str(clone))
        _run(clone, "dvc", "cache", "dir", "--local", str(ROOT / ".dvc/cache"))
        whole = _run(clone, "dvc", "checkout", "--quiet", check=False)[2] == 0
        if not whole:
            _run(clone, "dvc", "cache", "dir", "--local", "--unset")
        stages = () if whole else CHEAP
        first, _, _ = _run(clone, "dvc", "repro", *stages)
        again, said, _ = _run(clone, "dvc", "repro", *stages)
        if "up to date" not in said:
            raise RuntimeError(f"the second dvc repro ran something:\n{said}")
        status, _, _ = _run(clone, "dvc", "status", *stages)
        what = (
            "the whole graph" if whole else f"{', '.join(CHEAP)} (the outs of dvc.lock are not cached here)"
        )
        empty = _empty_status(Path(name) / "empty")
        print(
            f"{what}: dvc repro {first:.1f} s, again (runs nothing) {again:.1f} s, dvc status {status:.1f} s"
        )
        print(f"dvc status of an empty pipeline {empty:.1f} s; repro again is {again / empty:.1f} times that")


if __name__ == "__main__":
    main()
