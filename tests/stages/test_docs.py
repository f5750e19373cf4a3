"""Each command of the docs runs, or at least exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from trialforge import cli
from trialforge.reporting.history import history_rows, read_history

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
BLOCKS = re.compile(r"```console\n(.*?)```", flags=re.DOTALL)
COMMANDS = sorted(
    {line for page in DOCS for block in BLOCKS.findall(page.read_text()) for line in block.splitlines()}
)
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the last commit, so that nothing that a command changes is anyone's."""
    folder = tmp_path_factory.mktemp("docs") / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "profiles", folder / "profiles", dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("trialforge ")])
def test_command_runs(
    command: str, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    code = cli.run(shlex.split(command)[1:])
    told = capsys.readouterr()
    assert code == 0 or "doctor" in command, told.err
    assert "Traceback" not in told.err
    assert told.out


ELSEWHERE = {"dvc push --run-cache": "a clone has nothing to push: tests/stages/test_remote.py runs it"}


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("dvc ")])
def test_dvc_command_runs(command: str, clone: Path) -> None:
    if command in ELSEWHERE:
        pytest.skip(ELSEWHERE[command])
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], cwd=clone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_command_of_a_block_is_run_or_says_why_not() -> None:
    assert [line for line in COMMANDS if not line.startswith(("trialforge ", "dvc "))] == []


def test_every_stage_is_explained() -> None:
    table = (ROOT / "docs" / "how-it-works.md").read_text()
    assert [name for name in STAGES if name not in table] == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_and_commands_named_in_prose_exist(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link
    known = {
        command.name or command.callback.__name__
        for command in cli.app.registered_commands
        if command.callback
    }
    named = set(re.findall(r"(?:^|`)trialforge ([a-z]+)", text, flags=re.MULTILINE))
    assert named <= known


@pytest.mark.parametrize("page", ["README.md", "docs/how-it-works.md"])
def test_the_picture_of_the_graph_has_every_stage(page: str) -> None:
    drawn = re.findall(r"```mermaid\nflowchart LR\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
    assert len(drawn) == 1
    assert set(STAGES) == set(re.findall(r"[\w-]+", re.sub(r"\[.*?\]|-->", " ", drawn[0])))


def test_the_table_of_history_is_what_git_holds() -> None:
    shown = re.findall(r"```\n(\w+  .*?)```", (ROOT / "docs" / "history.md").read_text(), flags=re.DOTALL)
    heading, *rows = shown[0].partition("\n\n")[2].splitlines()
    commits = heading.split()[1:]
    steps = [step for step in read_history(ROOT, 1000) if step.commit[:7] in commits]
    if len(steps) < len(commits):
        pytest.skip("a shallow clone lacks these commits")
    assert [row.split() for row in rows] == history_rows(steps, [row.split()[0] for row in rows])
