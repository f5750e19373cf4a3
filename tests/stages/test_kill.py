"""A run that is killed goes on where it was: nothing is paid twice, and the end is the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import yaml

from tests.killed_run import SLOTS, run_with_kills
from tests.stages.test_interrupt import count_answers
from tests.unit.generation.records import make_target, make_trial
from trialforge.core.files import read_json
from trialforge.generation.reasons import REASONS_SCHEMA
from trialforge.llm.calls import CallCache
from trialforge.split.plan import PLAN_SCHEMA
from trialforge.trial.record import REGISTRATION_SCHEMA

if TYPE_CHECKING:
    import pytest

NUMBER, KILLS = 8, 2


def test_killed_run_pays_again_only_for_calls_in_flight(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    expected = run_with_kills(whole, NUMBER, 0, seed=1)
    assert (expected.paid, expected.kills) == (NUMBER, 0)
    found = run_with_kills(killed, NUMBER, KILLS, seed=1)
    assert found.answers == expected.answers
    assert 1 <= found.kills <= KILLS
    assert NUMBER <= found.paid <= NUMBER + found.kills * SLOTS
    cache = CallCache(killed / "calls.sqlite")
    assert cache.find_corrupt() == []
    assert cache.measure().entries == NUMBER
    cache.close()


ROOT = Path(__file__).resolve().parents[2]
GENERATE = [
    sys.executable, "-m", "stages.generate", "plan.parquet", "reasons.parquet", "train.parquet",
    "--generated", "generated.parquet", "--metrics", "generation.json",
]  # fmt: skip


def write_inputs(folder: Path, targets: int) -> None:
    """Targets whose records have four parts each."""
    folder.mkdir()
    plan = [make_target(target_id=f"T-{number}", seed=number) for number in range(targets)]
    reasons = {"reasons_id": "R-1", "exemplars": ["SIM1"], "targets": [row["target_id"] for row in plan]}
    train = make_trial() | {"normalized_interventions": ["levodopa"]}
    beside = {"label": pl.Int64(), "normalized_interventions": pl.List(pl.String())}
    for name, rows, schema in (
        ("plan", plan, PLAN_SCHEMA),
        ("reasons", [{"reasons": []} | reasons], REASONS_SCHEMA),
        ("train", [train], REGISTRATION_SCHEMA | beside),
    ):
        whole = [dict.fromkeys(schema) | {key: row[key] for key in schema if key in row} for row in rows]
        pl.DataFrame(whole, schema=schema).write_parquet(folder / f"{name}.parquet")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["generation"]["retries"] = 1
    params["generation"]["sampling"]["max_tokens"] = 160
    params["llm"] |= {"slots": 1, "workers": 1, "threads": 1, "context_tokens": 1280}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def test_a_stage_that_is_killed_between_the_parts_of_a_record_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "src")]))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        write_inputs(folder, 2)
    subprocess.run(GENERATE, cwd=whole, check=True)
    process = subprocess.Popen(GENERATE, cwd=killed)
    while process.poll() is None and count_answers(killed) < 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    kept = count_answers(killed)
    assert not (killed / "generated.parquet").exists()
    subprocess.run(GENERATE, cwd=killed, check=True)
    for name in ("generated.parquet", "generation.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    said = read_json(killed / ".trialforge/timings/generate.json")
    assert 2 <= kept == said["calls_from_cache"] < said["calls"]
    assert count_answers(killed) == count_answers(whole)
    rows = pl.read_parquet(whole / "generated.parquet")
    assert (rows["nct_id"].is_null() == rows["reject_reason"].is_not_null()).all()
