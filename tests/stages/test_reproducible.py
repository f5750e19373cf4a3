"""Two clean clones give the same bytes: other folder, user, locale, time zone and hash seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stages.small_run import ROOT, SmallRuns

# The first test that asks for the small runs waits for them.
pytestmark = pytest.mark.timeout(600)

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
Outs = dict[str, dict[str, str]]


def read_outs(folder: Path) -> Outs:
    """Stage -> out -> hash, from dvc.lock."""
    stages: dict[str, Any] = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    return {
        name: {out["path"]: out["md5"] for out in stage.get("outs", [])} for name, stage in stages.items()
    }


@pytest.mark.parametrize("stage", STAGES)
def test_every_out_of_a_stage_is_equal(stage: str, small_runs: SmallRuns) -> None:
    here, there = read_outs(small_runs.here), read_outs(small_runs.there)
    run = [name for name in here if name.split("@")[0] == stage]
    assert run, f"{stage} did not run"
    for name in run:
        assert here[name]
        assert here[name] == there[name]


def test_the_lock_is_equal_to_the_byte(small_runs: SmallRuns) -> None:
    assert (small_runs.here / "dvc.lock").read_bytes() == (small_runs.there / "dvc.lock").read_bytes()


def test_nothing_that_is_hashed_names_its_folder_or_user(small_runs: SmallRuns) -> None:
    names = (str(small_runs.there).encode(), b"another place")
    for folder in ("data", "metrics", "plots", "report"):
        for path in (small_runs.there / folder).rglob("*"):
            assert not (path.is_file() and any(name in path.read_bytes() for name in names)), path
