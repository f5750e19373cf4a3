"""The house rules of the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from trialforge.app import cli
from trialforge.app.printing import align
from trialforge.core.errors import DEBUG_VARIABLE, ParameterError


@pytest.fixture
def failing_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app with one command for each thing that can go wrong."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(cli.set_options)

    @app.command()
    def mendable(as_json: cli.JsonOption = False) -> None:  # noqa: ARG001 - `run` reads it
        raise ParameterError("`plan.records` must be\nat most 5, got 9", hint="run: dvc repro plan")

    @app.command()
    def fault() -> None:
        raise ZeroDivisionError("division by zero")

    @app.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    @app.command()
    def checked() -> None:
        raise typer.Exit(1)

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setenv(DEBUG_VARIABLE, "")


@pytest.mark.usefixtures("failing_app")
class TestExitCodes:
    def test_mendable_error_is_one_line_and_a_hint(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["mendable"]) == 1
        assert capsys.readouterr().err.splitlines() == [
            "error: `plan.records` must be at most 5, got 9",
            "  next: run: dvc repro plan",
        ]

    def test_mendable_error_as_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["mendable", "--json"]) == 1
        assert json.loads(capsys.readouterr().err)["hint"] == "run: dvc repro plan"

    def test_fault_has_no_traceback(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["fault"]) == 70
        assert "Traceback" not in capsys.readouterr().err

    def test_fault_with_debug_has_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["--debug", "fault"]) == 70
        assert "Traceback" in capsys.readouterr().err

    def test_interrupt(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.run(["interrupted"]) == 130
        assert "interrupted" in capsys.readouterr().err

    def test_failed_check(self) -> None:
        assert cli.run(["checked"]) == 1

    @pytest.mark.parametrize("arguments", [["nonsense"], ["fault", "--nonsense"]])
    def test_wrong_usage_names_the_help(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.run(arguments) == 2
        assert "--help" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_reads_as_a_guide(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 0
    assert "  2  dvc repro " in capsys.readouterr().out


def test_help_loads_no_heavy_library() -> None:
    heavy = "{'torch', 'transformers', 'elasticsearch', 'polars', 'altair', 'sklearn'} & set(sys.modules)"
    code = f"import sys; from trialforge.app import cli; cli.run(['--help']); sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_align_makes_columns() -> None:
    assert align([["a", 1], ["long", 22]], ["name", "n"]) == "name  n\na     1\nlong  22"


COMMANDS = sorted(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_answers_in_json(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([name, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_the_guide_says_what_each_command_does_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["--help"])
    listed = capsys.readouterr().out.partition("Commands:")[2].splitlines()[1:]
    assert [line.split()[0] for line in listed if line.strip()] == list(
        typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    )
    assert not [line for line in listed if line.endswith("...")]


def test_names_are_completed_in_a_shell() -> None:
    asked = {"_TRIALFORGE_COMPLETE": "complete_bash", "COMP_WORDS": "trialforge do", "COMP_CWORD": "1"}
    code = "from trialforge.app.cli import app; app(prog_name='trialforge')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["doctor"]


ROOT = Path(__file__).parents[3]


def ask(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    """The exit code and the JSON of a command."""
    code = cli.run([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_profile_answers_in_json_what_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    code, changed = ask("profile", "real", capsys=capsys)
    assert code == 0
    assert changed["set"]["ingest.source"] == {"old": "simulated", "new": "registry"}
    assert ask("profile", "real", capsys=capsys) == (0, {"set": {}, "left": changed["left"]})


def test_doctor_answers_in_json_and_by_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, found = ask("doctor", capsys=capsys)
    assert code == 1, "no DVC repository here"
    assert {"topic", "name", "state", "detail", "mend"} == set(found[0])
    assert "fault" in {one["state"] for one in found}
