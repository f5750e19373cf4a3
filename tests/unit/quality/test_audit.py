"""`trialforge audit`: anybody's records by the measures and gates of the stage `measure`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from stages import measure
from tests.unit.quality.sections import write_run
from trialforge.app import cli
from trialforge.core.errors import GateError
from trialforge.core.files import read_json, write_json
from trialforge.core.made_from import only_figures
from trialforge.core.progress import Progress
from trialforge.quality.measurement import STEPS

pytestmark = pytest.mark.slow
Captured = pytest.CaptureFixture[str]
BROKEN = {"memorisation.any_100", "privacy.copies"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, parts: dict[str, pl.DataFrame]) -> Iterator[Path]:
    """A run, a set of new trials under the run's gates, and a copier's set: train trials word for word."""
    folder = tmp_path_factory.mktemp("audit")
    write_run(folder, parts)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["quality"]["gates"] = {name: {"max": 0} for name in BROKEN} | {
        "validation.acceptance_rate": {"min": 0.5}
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    exemplars = pl.lit(parts["train"]["nct_id"].head(2).to_list())
    parts["synthetic"].head(24).with_columns(exemplars=exemplars).write_parquet(folder / "theirs.parquet")
    parts["train"].head(24).write_parquet(folder / "copies.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def audit(capsys: Captured, *arguments: str) -> tuple[int, str, str]:
    code = cli.run(["audit", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def audited(capsys: Captured, *arguments: str) -> dict[str, Any]:
    code, out, err = audit(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def run_measure(records: str, patch: pytest.MonkeyPatch) -> None:
    pl.DataFrame({"nct_id": ["none"]}).write_parquet("lineage.parquet")
    write_json({"acceptance_rate": 1.0}, Path("validated.json"))
    tables = {"train": "train", "validation": "validation", "test": "test", "held-back": "held_back"}
    paths = {name: f"data/{file}.parquet" for name, file in tables.items()}
    paths |= {"drafts": "data/held_back_drafts.parquet", "validated": "validated.json"}
    paths |= {"exemplars": "lineage.parquet", "reasons": "lineage.parquet"}
    paths |= {"metrics": "quality.json", "plots": "plots"}
    options = [word for name, path in paths.items() for word in (f"--{name}", path)]
    patch.setattr(sys, "argv", ["measure", records, *options])
    measure.main()


@pytest.mark.usefixtures("folder")
def test_an_audit_and_the_stage_measure_give_the_same_figures_and_gates(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(Progress, "step", lambda _self, note: steps.append(note))
    run_measure("theirs.parquet", monkeypatch)
    found = audited(capsys, "theirs.parquet")
    assert len(steps) == 2 * STEPS  # each shows how far it is
    expected = read_json(Path("quality.json"))
    assert found["metrics"] == only_figures(expected)
    assert found["broken_gates"] == []
    for one, other in zip(found["measures"], pl.read_csv("plots/measures.csv").to_dicts(), strict=True):
        assert (one["metric"], one["value"], one["ceiling"]) == (
            other["metric"], other["value"], other["ceiling"],
        )  # fmt: skip
    assert {row["metric"] for row in found["measures"] if row["gate"] == "holds"} == BROKEN
    with pytest.raises(GateError, match="2 of 3 gates are broken"):
        run_measure("copies.parquet", monkeypatch)


@pytest.mark.usefixtures("folder")
def test_a_copier_is_told_with_the_names_of_the_gates(capsys: Captured) -> None:
    code, out, err = audit(capsys, "copies.parquet")
    assert code == 1
    assert all(name in err for name in BROKEN)
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows["privacy.copies"].endswith("broken")
    assert "real trials" in rows["metric"]
    assert re.search(r"fidelity\.precision +higher +\S+ +\S+ to \S+ +\S+ +\S+$", rows["fidelity.precision"])
    code, out, err = audit(capsys, "copies.parquet", "--json")
    assert (code, set(json.loads(out)["broken_gates"])) == (1, BROKEN)
    assert "privacy.copies" in json.loads(err)["error"]


def test_json_lines_of_another_tool_are_audited_with_their_page(folder: Path, capsys: Captured) -> None:
    rows = pl.read_parquet("theirs.parquet").select("title", "summary", "criteria", "conditions", "label")
    lines = [
        json.dumps(row | {"interventions": [name]})
        for row, name in zip(rows.to_dicts(), ["Aspirin", "Metformin"] * 12, strict=True)
    ]
    (folder / "theirs.jsonl").write_text("\n".join(lines))
    found = audited(capsys, "theirs.jsonl", "--report", "audit.html")
    assert "arms.label" in found["metrics"]["fidelity.fields_of_real_alone"]
    notes = {row["metric"]: row["note"] for row in found["measures"]}
    assert "exemplars" in notes["membership.gain"]
    page = (folder / "audit.html").read_text()
    assert "Audit of theirs.jsonl" in page
    assert "24 records compared with 60 real trials. All gates hold." in page
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == ["answer", "fidelity", "copies", "membership", "records", "provenance"]


def test_what_an_audit_needs_is_named(
    folder: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_text((folder / "params.yaml").read_text())
    (tmp_path / "theirs.jsonl").write_text('{"title": "One"}\n')
    monkeypatch.chdir(tmp_path)
    code, _, err = audit(capsys, "theirs.jsonl")
    assert code == 1
    assert "data/train.parquet" in err
    code, _, err = audit(capsys, "absent.jsonl")
    assert code == 1
    assert "absent.jsonl" in err
