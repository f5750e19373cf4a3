"""Each stage on a disk that is full or read-only: it ends in two lines, and what lay there is untouched."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.small_disk import full_disk, read_only
from tests.stages.small_run import SmallRuns
from trialforge.core.stage import run_stage

# The first test that asks for the small runs waits for them.
pytestmark = pytest.mark.timeout(900)
DISKS: dict[str, tuple[Callable[[Path], AbstractContextManager[Path]], str]] = {
    "full": (full_disk, "no space left on the disk of"),
    "read-only": (read_only, "can't be used: Read-only file system"),
}


# Stages that keep vectors, answers or trained models, and one that has only its locks among the caches.
KEEPERS = {"split", "index", "retrieve", "reason", "generate", "zero-shot", "train-real"}


@pytest.fixture
def checkout(small_runs: SmallRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a finished run."""
    folder = tmp_path / "checkout"
    shutil.copytree(small_runs.here, folder, ignore=shutil.ignore_patterns(".git", "src", "cache"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


def read_stages(checkout: Path) -> dict[str, dict[str, Any]]:
    """Stages of the run by name."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((checkout / "dvc.lock").read_text())["stages"]
    assert len({stage["cmd"].split()[2] for stage in found.values()}) == len(list(ROOT.glob("[a-z]*.py")))
    return found


def redirect(stage: dict[str, Any], folder: Path) -> list[str]:
    """The command of a stage, with all that it writes in another folder."""
    deps, outs = ([one["path"] for one in stage.get(kind, ())] for kind in ("deps", "outs"))

    def is_written(word: str) -> bool:
        below = [path for path in outs if path == word or path.startswith(f"{word}/")]
        return bool(below) and not any(path == word or path.startswith(f"{word}/") for path in deps)

    words = stage["cmd"].split()[2:]
    return [str(folder / word) if is_written(word) else word for word in words]


def end_of(command: list[str], monkeypatch: pytest.MonkeyPatch) -> str | None:
    """How a stage ends: None if it is done, else what it says."""
    monkeypatch.setattr(sys, "argv", command)
    try:
        run_stage(importlib.import_module(command[0]).main)
    except SystemExit as ended:
        return str(ended.code)
    return None


@pytest.mark.parametrize("kind", DISKS)
def test_stage_that_can_write_no_out_names_it(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounted, words = DISKS[kind]
    with mounted(tmp_path / "outs") as disk:
        for name, stage in read_stages(checkout).items():
            told = end_of(redirect(stage, disk), monkeypatch)
            assert told is not None, name
            first, mend = told.splitlines()
            assert first.startswith("error: "), name
            assert words in first, name
            assert str(disk) in first, name
            assert "what was finished before is kept" in first, name
            assert mend.startswith("  next: "), name
        assert {path.name for path in disk.rglob("*") if path.is_file()} <= {"filler"}


@pytest.mark.parametrize("kind", DISKS)
def test_stage_whose_caches_can_t_be_written_goes_on_or_says_so(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    shutil.rmtree(checkout / ".trialforge")
    said = {}
    with DISKS[kind][0](checkout / ".trialforge"):
        for name, stage in read_stages(checkout).items():
            if name in KEEPERS:
                said[name] = end_of(redirect(stage, tmp_path / "outs"), monkeypatch)
    for name, told in said.items():
        if told is not None:
            first, mend = told.splitlines()
            assert ".trialforge" in first, name
            assert mend.startswith("  next: "), name
    assert said["split"] is None
    assert said["reason"] is not None
    if kind == "read-only":  # vectors are computed without being kept
        assert said["index"] is said["retrieve"] is None


ROOT = Path(__file__).resolve().parents[2] / "stages"
