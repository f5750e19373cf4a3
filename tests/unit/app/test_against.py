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
from trialforge.core.files import read_json, write_json, write_parquet
from trialforge.core.made_from import name_tables

if TYPE_CHECKING:
    import polars as pl

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


def run(*command: str, folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def write_run(folder: Path, effect: float, records: pl.DataFrame) -> None:
    write_json({"effect": effect, "synthetic": records.height}, folder / "metrics/summary.json")
    path = folder / "data/synthetic.parquet"
    write_parquet(records, path)
    write_json({"accepted": records.height} | name_tables(path), folder / "metrics/validation.json")
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
    assert "1 of 3 figures changed" in page
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


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.run(["report", "--against", "HEAD"]) == 1
    assert not Path("against.html").exists()
    return capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_figures_of_other_records_than_are_here_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = read_json(Path("metrics/validation.json"))
    write_parquet(sample.generated_table(6).slice(2, 3), Path("data/synthetic.parquet"))
    said = refused(capsys)
    assert "metrics/validation.json was computed from another version of data/synthetic.parquet" in said
    assert "dvc repro validate" in said
    Path("data/synthetic.parquet").unlink()  # as in a clone: only the figures themselves can disagree
    write_json({"made_from": {"synthetic": "0" * 64}}, Path("metrics/worth.json"))
    assert "metrics/validation.json and metrics/worth.json of this checkout are of diff" in refused(capsys)
    write_json(metrics | {"made_from": {"synthetic": "0" * 64}}, Path("metrics/validation.json"))
    assert cli.run(["report", "--against", "HEAD"]) == 0


def test_a_revision_with_figures_of_several_runs_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json({"made_from": {"synthetic": "0" * 64}}, project / "metrics/quality.json")
    run("git", "add", "-A", folder=project)
    run("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "two", folder=project)
    (project / "metrics/quality.json").unlink()
    said = refused(capsys)
    assert "metrics/quality.json and metrics/validation.json of HEAD are of different runs" in said


def test_an_unknown_revision_is_an_error(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["report", "--against", "nowhere"]) == 1
    assert "no revision 'nowhere'" in capsys.readouterr().err
    assert not (project / "against.html").exists()
