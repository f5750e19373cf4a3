"""Data by DVC as people use it: push to a folder, clone, pull, and nothing is left to run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.stages.first_hour import blocks_of, run_block
from tests.stages.small_run import SmallRuns, new_account

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True)
class Repeated:
    """A colleague's run in a clone of one's own, and what `dvc repro` said of it."""

    folder: Path
    told: str


@pytest.fixture(scope="module")
def repeated(small_runs: SmallRuns, tmp_path_factory: pytest.TempPathFactory) -> Repeated:
    """A run that was pushed to a folder and pulled from there, by the page for the first hour."""
    base = tmp_path_factory.mktemp("remote")
    origin = base / "origin"
    shutil.copytree(small_runs.here, origin, symlinks=True)
    account = new_account(origin)
    push, pull = blocks_of("Repeat a colleague's run", "console")
    run_block(push, origin, account, {"/srv/shelf": str(base / "shelf")})
    # The colleague's cache is out of reach, so that all comes from the shelf.
    (origin / ".dvc" / "cache").rename(base / "cache")
    account["PYTHONPATH"] = str(base / "theirs" / "src")
    told = run_block(pull, base, account, {"/srv/trialforge.git": str(origin)})
    return Repeated(base / "theirs", told)


def test_a_clone_pulls_every_out_and_has_nothing_to_run(repeated: Repeated) -> None:
    assert "Running stage" not in repeated.told
    assert repeated.told.splitlines()[-1] == "Data and pipelines are up to date."


def test_every_out_that_was_pulled_is_equal(repeated: Repeated, small_runs: SmallRuns) -> None:
    stages = yaml.safe_load((repeated.folder / "dvc.lock").read_text())["stages"]
    outs = [Path(out["path"]) for stage in stages.values() for out in stage.get("outs", [])]
    files = [
        path.relative_to(small_runs.here)
        for out in outs
        for path in [small_runs.here / out, *(small_runs.here / out).rglob("*")]
        if path.is_file()
    ]
    assert len(files) > 30
    for path in files:
        assert (repeated.folder / path).read_bytes() == (small_runs.here / path).read_bytes()
