"""Metrics over commits, read from a real git repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from trialforge.app.history import choose_metrics, history_rows, read_history
from trialforge.core.errors import ArtifactError

GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")


def commit(root: Path, subject: str, **metrics: float) -> None:
    path = root / "metrics" / "score.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(metrics))
    subprocess.run([*GIT, "add", "-A"], cwd=root, check=True)
    subprocess.run([*GIT, "commit", "-qm", subject], cwd=root, check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run([*GIT, "init", "-q"], cwd=tmp_path, check=True)
    commit(tmp_path, "First\tscores", roc_auc=0.6, trials=80)
    (tmp_path / "other.txt").write_text("no metric moves")
    subprocess.run([*GIT, "add", "-A"], cwd=tmp_path, check=True)
    subprocess.run([*GIT, "commit", "-qm", "Nothing measured"], cwd=tmp_path, check=True)
    commit(tmp_path, "Better", roc_auc=0.7, trials=80)
    return tmp_path


def test_only_commits_that_moved_a_metric_are_steps_oldest_first(repository: Path) -> None:
    steps = read_history(repository)
    assert [step.subject for step in steps] == ["First\tscores", "Better"]
    assert steps[1].metrics == {"score.roc_auc": 0.7, "score.trials": 80}


def test_rows_show_what_moved(repository: Path) -> None:
    steps = read_history(repository)
    assert choose_metrics(steps, []) == ["score.roc_auc"]
    assert choose_metrics(steps, ["*.trials"]) == ["score.trials"]
    assert history_rows(steps, ["score.roc_auc", "score.trials"]) == [
        ["score.roc_auc", "0.6", "0.7"],
        ["score.trials", "80", "="],
    ]


def test_what_was_never_measured_is_a_dash_at_each_step(repository: Path) -> None:
    assert history_rows(read_history(repository), ["score.brier"]) == [["score.brier", "-", "-"]]


def test_limit_takes_the_newest(repository: Path) -> None:
    assert [step.subject for step in read_history(repository, limit=1)] == ["Better"]


def test_outside_a_repository_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="git log"):
        read_history(tmp_path)
