"""`trialforge show`, through the command line, on a small run's tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.generation.records import TEXTS, make_target, make_trial, make_writer, write_draft
from trialforge.app import cli
from trialforge.generation.drafts import generated_row
from trialforge.generation.reasons import REASONS_SCHEMA
from trialforge.generation.record import GENERATED_SCHEMA, Draft
from trialforge.split.plan import PLAN_SCHEMA
from trialforge.trial.record import REGISTRATION_SCHEMA

ORIGIN = {
    "model": "small", "engine": "llama.cpp 1", "version": "0.1.0", "prompt_hash": "p" * 64,
    "sampling": '{"temperature": 0.8}', "reasons_id": "R-1",
}  # fmt: skip
REASONS: dict[str, Any] = {
    "reasons_id": "R-1", "intervention": "levodopa", "label": 0, "arm": "retrieval-reasoning",
    "exemplars": ["SIM1"], "targets": ["T-1", "T-2", "T-3"], "grounded": 0.5, "prompt_hash": "q" * 64,
    "reasons": [{
        "text": "Off time was measured in too few people.", "nct_id": "SIM1", "field": "primary_outcomes",
        "quotation": "Hours of off time each day (12 weeks)", "rank": 3, "true": False,
        "seed": 4, "attempt": 0,
    }],
    "reject_reasons": ["recital"],
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    titles = ("Levodopa Inhaled Powder", "Levodopa Taken at Night")
    targets = [make_target(TEXTS, target_id=f"T-{number}") for number in (1, 2, 3)]
    drafts = [Draft(targets[2], [], fault="cut", retries=4, model_digest="d" * 64)]
    for target, title in zip(targets, titles, strict=False):
        texts = TEXTS | {"title": title}
        target["skeleton"] = make_target(texts)["skeleton"]
        drafts.insert(-1, write_draft(make_writer(make_trial()), target, texts))
    rows = [generated_row(draft, ORIGIN) for draft in drafts]
    plan = [{name: target.get(name) for name in PLAN_SCHEMA} for target in targets]
    trial = {name: make_trial()[name] for name in (*REGISTRATION_SCHEMA, "label")}
    for name, table, schema in (
        ("generated", rows, GENERATED_SCHEMA),
        ("reasons", [REASONS], REASONS_SCHEMA),
        ("plan", plan, PLAN_SCHEMA),
        ("train", [trial], {**REGISTRATION_SCHEMA, "label": pl.Int64()}),
    ):
        pl.DataFrame(table, schema=schema).write_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


def first_id(data: Path) -> str:
    return str(pl.read_parquet(data / "generated.parquet")["nct_id"][0])


def test_the_story_has_all_that_made_a_record(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = first_id(data)
    assert cli.run(["show", name[:10].lower(), "--data", str(data), "--full"]) == 0
    said = capsys.readouterr().out
    for part in (
        name, "Levodopa Inhaled Powder", "T-1", "Parkinson Disease", "R-1", "Off time was measured",
        'SIM1 primary_outcomes: "Hours of off time each day', "(the reason fits other trials as well)",
        "p" * 64, "q" * 64, "d" * 64, "small",
        "llama.cpp 1", '{"temperature": 0.8}', "SIM1  Outcome: failure", "Slow Release Levodopa",
    ):  # fmt: skip
        assert part in said
    beside = next(line for line in said.splitlines() if line.startswith("Title: Levodopa"))
    assert "| Title: Slow Release" in beside


def test_the_story_is_short_by_default(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = first_id(data)
    assert cli.run(["show", name, "--data", str(data)]) == 0
    said = capsys.readouterr().out
    for part in (
        name, "levodopa", "Parkinson Disease", "none yet: dvc repro validate", "Off time was measured",
        "SIM1 (failure)", "small, attempt 0", "--full",
    ):  # fmt: skip
        assert part in said
    for part in ("p" * 64, "d" * 64, "temperature"):
        assert part not in said


def test_the_story_as_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = first_id(data)
    assert cli.run(["show", name, "--data", str(data), "--json"]) == 0
    story = json.loads(capsys.readouterr().out)
    assert story["record"]["nct_id"] == name
    assert story["target"]["target_id"] == "T-1"
    assert (story["made_by"]["attempt"], story["made_by"]["seed"]) == (0, 7)
    assert (story["reasons"][0]["nct_id"], story["reasons"][0]["rank"]) == ("SIM1", 3)
    assert [trial["nct_id"] for trial in story["exemplars"]] == ["SIM1"]


def test_the_story_tells_the_verdict_of_validation(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generated = pl.read_parquet(data / "generated.parquet")
    asked = ["show", first_id(data), "--data", str(data), "--full"]
    assert cli.run(asked) == 0
    assert "none yet: dvc repro validate" in capsys.readouterr().out
    mine = generated.filter(target_id="T-1")
    mine.write_parquet(data / "synthetic.parquet")
    assert cli.run(asked) == 0
    assert "verdict        accepted\n" in capsys.readouterr().out
    generated.filter(target_id="T-2").write_parquet(data / "synthetic.parquet")
    mine.with_columns(
        reject_reasons=pl.lit(["off_target", "near_copy_of_train"]), near_copy_of=pl.lit("SIM1")
    ).write_parquet(data / "rejected.parquet")
    assert cli.run([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["validation"] == {
        "verdict": "rejected",
        "reject_reasons": ["off_target", "near_copy_of_train"],
        "near_copy_of": "SIM1",
    }
    assert cli.run(asked) == 0
    said = capsys.readouterr().out
    assert "reject_reasons off_target, near_copy_of_train\n" in said
    assert "near_copy_of   SIM1\n" in said


def test_a_target_that_was_given_up_says_why(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["show", "T-3", "--data", str(data)]) == 0
    assert capsys.readouterr().out.startswith("given up: cut")


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("SYN-0nothing", "no synthetic trial SYN-0nothing"),
        ("SYN-", "2 synthetic trials begin with SYN-: SYN-"),
    ],
)
def test_an_id_of_none_or_of_many_is_an_error(
    start: str, message: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["show", start, "--data", str(data)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert first_id(data) in error


def test_tables_that_are_absent_or_of_another_run_are_named(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, train = first_id(data), data / "train.parquet"
    pl.read_parquet(train).clear().write_parquet(train)
    assert cli.run(["show", name, "--data", str(data)]) == 1
    assert "train.parquet has no SIM1" in capsys.readouterr().err
    (data / "reasons.parquet").unlink()
    assert cli.run(["show", name, "--data", str(data)]) == 1
    assert "reasons.parquet" in capsys.readouterr().err
