"""Data by DVC as people use it: push to a folder, clone, pull, and nothing is left to run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.stages.small_run import SmallRuns, git, run

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def pulled(small_runs: SmallRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of a run that was pushed to a folder, its outs pulled from there."""
    base = tmp_path_factory.mktemp("remote")
    origin, clone = base / "origin", base / "clone"
    shutil.copytree(small_runs.here, origin, symlinks=True)
    run(origin, ["dvc", "remote", "add", "--default", "shelf", str(base / "shelf")])
    git(origin, "commit", "-qam", "A shelf")
    run(origin, ["dvc", "push", "--run-cache"])
    git(base, "clone", "-q", str(origin), str(clone))
    shutil.rmtree(origin)
    run(clone, ["dvc", "pull", "--run-cache"])
    return clone


def test_a_clone_pulls_every_out_and_has_nothing_to_run(pulled: Path) -> None:
    told = run(pulled, ["dvc", "repro"])
    assert "Running stage" not in told
    assert "up to date" in told


def test_every_out_that_was_pulled_is_equal(pulled: Path, small_runs: SmallRuns) -> None:
    stages = yaml.safe_load((pulled / "dvc.lock").read_text())["stages"]
    outs = [Path(out["path"]) for stage in stages.values() for out in stage.get("outs", [])]
    files = [
        path.relative_to(small_runs.here)
        for out in outs
        for path in [small_runs.here / out, *(small_runs.here / out).rglob("*")]
        if path.is_file()
    ]
    assert len(files) > 30
    for path in files:
        assert (pulled / path).read_bytes() == (small_runs.here / path).read_bytes()
