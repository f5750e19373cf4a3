"""DVC as people use it, on the real graph at small sizes: experiments, a queue, diffs and plots."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from tests.stages.small_run import ROOT, SmallRuns, git, run
from tests.stages.test_interrupt import COMMAND, SETS, count_answers, write_inputs

pytestmark = pytest.mark.timeout(600)
WIDER = "retrieval.evaluation.queries"


def dvc(folder: Path, *arguments: str) -> str:
    return run(folder, ["dvc", *arguments])


def read_experiments(folder: Path) -> dict[str, dict[str, str]]:
    """Name -> row of `dvc exp show`."""
    rows = csv.DictReader(io.StringIO(dvc(folder, "exp", "show", "--csv")))
    return {row["Experiment"]: row for row in rows if row["Experiment"]}


@pytest.fixture(scope="module")
def tried(small_runs: SmallRuns, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of a run in which one parameter was tried, and what that printed."""
    folder = tmp_path_factory.mktemp("experiments") / "copy"
    shutil.copytree(small_runs.here, folder, symlinks=True)
    return folder, dvc(folder, "exp", "run", "--name", "wider", "-S", f"{WIDER}=6")


def test_an_experiment_runs_only_what_its_parameter_reaches(tried: tuple[Path, str]) -> None:
    folder, said = tried
    ran = [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")]
    assert ran == ["retrieve", "report"]
    assert read_experiments(folder)["wider"][WIDER] == "6"


def test_diffs_name_what_moved_and_nothing_else(tried: tuple[Path, str]) -> None:
    folder, _ = tried
    moved = json.loads(dvc(folder, "params", "diff", "--json"))["params.yaml"]
    assert moved == {WIDER: {"old": 5, "new": 6, "diff": 1}}
    moved = ["metrics", "diff", "--json", "--recursive", "--targets", "metrics"]
    metrics = json.loads(dvc(folder, *moved))
    assert set(metrics) == {"metrics/retrieval.json"}
    assert metrics["metrics/retrieval.json"]["title.queries"] == {"old": 5, "new": 6, "diff": 1}
    assert json.loads(dvc(folder, "metrics", "diff", "--json")) == {}


def test_metrics_read_as_one_flat_table(tried: tuple[Path, str]) -> None:
    said = dvc(tried[0], "metrics", "show")
    assert len(said.splitlines()) == 2
    assert max(len(line) for line in said.splitlines()) <= 170
    assert {"synthetic", "roc_auc.real", "roc_auc.augmented", "effect"} <= set(said.split())
    assert "completion_tokens" in dvc(tried[0], "metrics", "show", "metrics/generation.json")


@pytest.mark.parametrize("command", [["show"], ["diff", "HEAD"]])
def test_plots_are_those_that_a_person_reads(command: list[str], tried: tuple[Path, str]) -> None:
    folder, _ = tried
    assert "failed to load" not in dvc(folder, "plots", *command, "--out", f"{command[0]}_plots")
    page = (folder / f"{command[0]}_plots" / "index.html").read_text()
    for name in ("arms", "roc", "precision-recall", "reliability", "curve-ratio", "curve-few-real"):
        assert f"plots_learning_{name}_csv" in page
    assert "plots_quality_label_words_csv" not in page


@pytest.mark.full
def test_a_queue_runs_what_was_put_in_it(tried: tuple[Path, str]) -> None:
    folder, _ = tried
    for size in (1, 2):
        dvc(folder, "exp", "run", "--queue", "--name", f"page-{size}", "-S", f"report.max_records={size}")
    waiting = dvc(folder, "queue", "status")
    assert waiting.count("Queued") == 2
    dvc(folder, "exp", "run", "--run-all")
    found = read_experiments(folder)
    assert [found[f"page-{size}"]["report.max_records"] for size in (1, 2)] == ["1", "2"]


@pytest.mark.full
def test_answers_of_an_experiment_in_a_copy_are_kept_for_the_project(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    write_inputs(folder)
    (folder / ".gitignore").write_text("/.trialforge/\n")
    git(folder, "init", "-q")
    git(folder, "config", "user.name", "t")
    git(folder, "config", "user.email", "t@example.org")
    dvc(folder, "init", "-q")
    command = ["python", *COMMAND[1:]]
    dvc(
        folder,
        "stage",
        "add",
        "-q",
        "-n",
        "reason",
        "-O",
        "reasons.parquet",
        "-M",
        "reasoning.json",
        *command,
    )
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Nothing has run")
    code = {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    run(folder, ["dvc", "exp", "run", "--temp"], **code)
    assert count_answers(folder) == SETS
    assert f"{SETS} cache hits" in run(folder, ["dvc", "repro"], **code)
