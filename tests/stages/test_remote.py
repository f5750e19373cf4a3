"""Data by DVC as people use it: push to a folder, clone, pull, and nothing is left to run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TARGET = "plan"  # ingest, split and plan need neither model nor server
PLANTED = "planted-secret-7391"


def run(folder: Path, *command: str) -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder / "src"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ELASTICSEARCH_API_KEY": PLANTED,
        "OLLAMA_API_KEY": PLANTED,
        "HF_TOKEN": PLANTED,
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout + done.stderr


def git(folder: Path, *arguments: str) -> str:
    return run(folder, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments)


def dvc(folder: Path, *arguments: str) -> str:
    return run(folder, sys.executable, "-m", "dvc", *arguments)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run, committed and pushed to a folder."""
    base = tmp_path_factory.mktemp("remote")
    folder = base / "origin"
    folder.mkdir()
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["corpus"]["simulated_trials"] = 200
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    git(folder, "init", "-q")
    dvc(folder, "init", "-q")
    dvc(folder, "repro", TARGET)
    dvc(folder, "remote", "add", "--default", "shelf", str(base / "shelf"))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "A small run")
    dvc(folder, "push", "--run-cache")
    return folder


def test_a_clone_pulls_every_out_and_has_nothing_to_run(origin: Path) -> None:
    clone = origin.parent / "clone"
    git(origin.parent, "clone", "-q", str(origin), str(clone))
    dvc(clone, "pull", "--run-cache", TARGET, "split", "ingest")
    told = dvc(clone, "repro", TARGET)
    assert "Running stage" not in told
    assert "up to date" in told
    outs = sorted(path.relative_to(origin) for path in (origin / "data").rglob("*.parquet"))
    assert len(outs) > 5
    for path in outs:
        assert (clone / path).read_bytes() == (origin / path).read_bytes()


def test_no_secret_of_the_environment_is_in_what_a_run_leaves(origin: Path) -> None:
    needle = PLANTED.encode()
    leaked = [path for path in origin.rglob("*") if path.is_file() and needle in path.read_bytes()]
    assert leaked == []
