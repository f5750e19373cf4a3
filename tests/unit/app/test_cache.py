"""`trialforge cache` as a person types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.unit.llm.asking import RuledGenerator, ask
from tests.unit.llm.test_calls import damage
from trialforge.app import cli
from trialforge.llm.calls import CachedGenerator, CallCache, hash_call


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A cache of three answers, one of them damaged."""
    path = tmp_path / "calls.sqlite"
    generator = CachedGenerator(RuledGenerator(), CallCache(path))
    list(generator.complete([ask(seed=seed) for seed in range(3)]))
    generator.close()
    damage(path, hash_call(RuledGenerator.model_digest, RuledGenerator.engine, ask(seed=1)))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert cli.run(["cache", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_damaged_answer_is_found_once_and_removed(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = run(capsys, "verify", "--path", str(calls))
    assert (first["whole"], first["corrupt"], len(first["removed"])) == (2, 1, 1)
    assert run(capsys, "verify", "--path", str(calls))["corrupt"] == 0


def test_stats_name_the_models_and_prune_removes_one_by_the_start_of_its_digest(
    calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stats = run(capsys, "stats", "--path", str(calls))
    assert (stats["entries"], stats["models"]) == (3, {"d" * 64: 3})
    assert run(capsys, "prune", "--model", "eeee", "--path", str(calls)) == {"removed": 0}
    assert run(capsys, "prune", "--model", "dddd", "--path", str(calls)) == {"removed": 3}
    assert run(capsys, "stats", "--path", str(calls))["entries"] == 0


def test_prune_gives_the_space_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "calls.sqlite"
    generator = CachedGenerator(RuledGenerator(), CallCache(path))
    list(generator.complete([ask(seed=seed) for seed in range(200)]))
    generator.close()
    before = path.stat().st_size
    assert run(capsys, "prune", "--days", "0", "--path", str(path)) == {"removed": 200}
    assert path.stat().st_size < before / 2


def test_export_has_what_a_copy_of_the_file_lacks_while_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, whole = tmp_path / "calls.sqlite", tmp_path / "there" / "calls.sqlite"
    generator = CachedGenerator(RuledGenerator(), CallCache(path))
    requests = [ask(seed=seed) for seed in range(5)]
    list(generator.complete(requests))
    shutil.copy(path, tmp_path / "copy.sqlite")
    assert run(capsys, "export", "--path", str(path), "--to", str(whole)) == {
        "file": str(whole),
        "entries": 5,
    }
    generator.close()
    assert CallCache(tmp_path / "copy.sqlite").measure().entries == 0
    asked = RuledGenerator()
    answers = dict(CachedGenerator(asked, CallCache(whole)).complete(requests))
    assert [answers[number].text for number in range(5)] == [f"seed {number}" for number in range(5)]
    assert asked.asked == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prune"], "needs --days or --model"),
        (["export"], "needs --to"),
        (["export", "--to", "calls.sqlite"], "calls.sqlite already exists"),
        (["stats"], "no call cache"),
        (["verify"], "no call cache"),
    ],
)
def test_faults_are_one_line_and_the_next_command(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "calls.sqlite"
    if arguments[0] in ("prune", "export"):
        CallCache(path).close()
    assert cli.run(["cache", *arguments, "--path", str(path)]) == 1
    error, mend = capsys.readouterr().err.splitlines()
    assert said in error
    assert mend.startswith("  next: ")
