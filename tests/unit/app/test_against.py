"""`trialforge report --against`: two runs in a real git and DVC repository, side by side."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.reporting import sample
from trialforge.app import cli
from trialforge.core.files import write_json, write_parquet

if TYPE_CHECKING:
    import polars as pl

ROOT = Path(__file__).parents[3]


def run(*command: str, folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def write_run(folder: Path, effect: float, records: pl.DataFrame) -> None:
    write_json({"effect": effect, "synthetic": records.height}, folder / "metrics/summary.json")
    write_json({"targets": 6, "made_from": {"generated": str(effect)}}, folder / "metrics/generation.json")
    write_parquet(records, folder / "data/synthetic.parquet")
    run(sys.executable, "-m", "dvc", "add", "-q", "data/synthetic.parquet", folder=folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A commit with three records, and a checkout in which one of them is gone and another is new."""
    tmp_path = tmp_path_factory.mktemp("made")
    run("git", "init", "-q", folder=tmp_path)
    run(sys.executable, "-m", "dvc", "init", "-q", folder=tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    table = sample.generated_table(6)
    for name in ("train", "generated", "reasons"):
        write_parquet(sample.make_tables()[name], tmp_path / f"data/{name}.parquet")
    write_run(tmp_path, 0.25, table.slice(0, 3))
    run("git", "add", "-A", folder=tmp_path)
    run("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "one", folder=tmp_path)
    write_run(tmp_path, 0.5, table.slice(1, 3))
    return tmp_path


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compare(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.run(["report", "--against", "HEAD", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_what_moved_and_which_records_are_new_or_gone(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, fourth = "SYN-000000000000", "SYN-000000000003"
    assert compare(capsys) == {
        "moved": {"summary.effect": {"then": 0.25, "now": 0.5}},
        "equal": 2, "new": [fourth], "gone": [first], "kept": 2, "page": "against.html",
    }  # fmt: skip
    page = (project / "against.html").read_text()
    assert "1 of 3 figures moved" in page
    assert f'"id":"{fourth}"' in page
    assert f'"id":"{first}"' not in page
    assert cli.run(["report", "--against", "HEAD"]) == 0
    said = capsys.readouterr().out
    assert "Summary, effect  0.25  0.5  +0.25" in said
    assert "records: 2 the same, 1 new, 1 gone" in said


def test_records_that_the_cache_lacks_are_told_and_figures_stay(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(project / ".dvc/cache")
    found = compare(capsys)
    assert (found["kept"], found["moved"]) == (None, {"summary.effect": {"then": 0.25, "now": 0.5}})


def test_an_unknown_revision_is_an_error(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["report", "--against", "nowhere"]) == 1
    assert "no revision 'nowhere'" in capsys.readouterr().err
    assert not (project / "against.html").exists()
