"""How the metrics moved over the commits of a repository, from git alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from trialforge.core.errors import ArtifactError
from trialforge.core.files import Number, flatten

METRICS_FOLDER = "metrics"


@dataclass(frozen=True, slots=True)
class Step:
    """One commit that changed a metric: its metrics as `stage.name` -> value."""

    commit: str
    day: str
    subject: str
    metrics: dict[str, Number]


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["git failed"])[-1]
        raise ArtifactError(
            f"git {arguments[0]}: {reason}", hint="run it inside the git repository of the pipeline"
        )
    return done.stdout


def read_history(root: Path, limit: int = 20) -> list[Step]:
    """Return the last `limit` commits that changed a file of metrics/, oldest first.

    Raises:
        ArtifactError: `root` is in no git repository, or no commit has metrics.
    """
    log = _git(root, "log", f"-{limit}", "--format=%h%x09%cs%x09%s", "--", METRICS_FOLDER)
    steps = [_read_step(root, *line.split("\t", 2)) for line in log.splitlines()]
    if not steps:
        raise ArtifactError(
            "no commit holds metrics yet", hint="run: dvc repro, then git commit metrics dvc.lock"
        )
    return steps[::-1]


def _read_step(root: Path, commit: str, day: str, subject: str) -> Step:
    paths = _git(root, "ls-tree", "-r", "--name-only", commit, "--", METRICS_FOLDER).splitlines()
    metrics: dict[str, Number] = {}
    for path in sorted(path for path in paths if path.endswith(".json")):
        found = flatten(json.loads(_git(root, "show", f"{commit}:./{path}")))
        metrics |= {f"{Path(path).stem}.{name}": value for name, value in found.items()}
    return Step(commit, day, subject, metrics)


def choose_metrics(steps: Sequence[Step], patterns: Sequence[str]) -> list[str]:
    """Return the names to show: those that match a pattern, or else all numbers that ever changed."""
    names = sorted({name for step in steps for name in step.metrics})
    if patterns:
        return [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
    return [name for name in names if len({step.metrics.get(name) for step in steps}) > 1]


def history_rows(steps: Sequence[Step], names: Sequence[str]) -> list[list[str]]:
    """Return one row a metric: its name, then its value at each step, `=` where it did not move."""
    rows = []
    for name in names:
        values = [step.metrics.get(name) for step in steps]
        cells = [
            "-" if value is None else "=" if at and value == values[at - 1] else str(value)
            for at, value in enumerate(values)
        ]
        rows.append([name, *cells])
    return rows
