"""A stage that can't run says why in one line and what to do next, under `dvc repro` as well."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stages.small_run import SECRET, SECRETS, SmallRuns

# The first test that asks for the small runs waits for them.
pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).resolve().parents[2]
PLAN = (
    "plan",
    "train.parquet",
    "--plan",
    "plan.parquet",
    "--blocks",
    "blocks.parquet",
    "--metrics",
    "plan.json",
)


def run_stage(folder: Path, *arguments: str, **more: str) -> tuple[int, str]:
    command = [sys.executable, "-m", f"stages.{arguments[0]}", *arguments[1:]]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "PATH": "", **more}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    return tmp_path


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "params.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_wrong_parameter_is_one_line(folder: Path) -> None:
    edit(folder, "min_success: 3", "min_success: many")
    code, told = run_stage(folder, *PLAN)
    assert code == 1
    assert told.startswith("error: params.yaml: `plan.min_success`")
    assert len(told.splitlines()) == 1


def test_a_file_that_is_not_there_names_the_command_that_makes_it(folder: Path) -> None:
    code, told = run_stage(folder, *PLAN)
    assert code == 1
    assert "train.parquet" in told
    assert told.splitlines()[-1].startswith("  next: ")
    assert "Traceback" not in told


def test_the_traceback_is_there_when_asked_for(folder: Path) -> None:
    assert "Traceback" in run_stage(folder, *PLAN, TRIALFORGE_DEBUG="1")[1]


def test_a_password_in_the_address_of_elasticsearch_is_refused_and_not_said(
    folder: Path, small_runs: SmallRuns
) -> None:
    train = small_runs.here / "data" / "train.parquet"
    edit(folder, "backend: embedded # embedded, or elasticsearch", "backend: elasticsearch # embedded, or")
    index = ("index", str(train), "--index", "index", "--manifest", "index.json")
    code, told = run_stage(folder, *index, **SECRETS)
    assert code == 1
    assert told.startswith("error: ELASTICSEARCH_URL holds a password")
    assert SECRET not in told


def test_an_ollama_that_is_down_is_named_without_its_password(folder: Path, small_runs: SmallRuns) -> None:
    data = small_runs.here / "data"
    edit(folder, "backend: embedded # embedded (llama.cpp", "backend: ollama # embedded (llama.cpp")
    tables = [str(data / f"{name}.parquet") for name in ("plan", "exemplars", "train")]
    reason = ("reason", *tables, "--reasons", "reasons.parquet", "--metrics", "reasoning.json")
    code, told = run_stage(folder, *reason, **SECRETS)
    assert code == 1
    assert "no Ollama host answers (http://127.0.0.1:9" in told
    assert SECRET not in told
    assert "Traceback" not in told
