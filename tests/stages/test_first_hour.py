"""Each section of the page for the first hour, run as it stands; `test_remote.py` runs its last one."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.stages.first_hour import PAGE, blocks_of, run_block
from tests.stages.small_run import ROOT, SmallRuns, make_clone, new_account
from tests.unit.llm.small_ollama import SmallOllama, serve
from trialforge.core.files import hash_file
from trialforge.llm.models import find_packaged
from trialforge.simulation.corpus import simulate

pytestmark = pytest.mark.timeout(600)
A, B, C = (f"NCT0900000{number}" for number in range(3))


@pytest.fixture
def finished(small_runs: SmallRuns, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(small_runs.here, tmp_path / "run", symlinks=True))


def set_params(folder: Path, block: str, **instead: str) -> None:
    """Write what a block of the page says into params.yaml."""
    for words, others in instead.items():
        block = block.replace(words, others)
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for section, values in yaml.safe_load(block).items():
        assert values.keys() <= params[section].keys()
        params[section] |= values
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def test_a_gguf_file_is_named_and_its_cost_is_told(finished: Path) -> None:
    account = new_account(finished)
    model = Path(account["HOME"]) / "models" / "mine.gguf"
    model.parent.mkdir()
    model.symlink_to(find_packaged().resolve())
    for kept in (finished / ".trialforge").glob("calls.sqlite*"):
        kept.unlink()  # answers of the same bytes under another name would cost nothing
    (setting,) = blocks_of("My GGUF file", "yaml")
    set_params(finished, setting, SHA256=hash_file(model))
    params = (finished / "params.yaml").read_text()
    trial, whole = blocks_of("My GGUF file", "console")
    # Reasons are two calls, drafts are eight: what the second stage costs is told in the same way.
    told = run_block(trial, finished, account, {"equal generate": "equal reason"})
    assert (finished / "params.yaml").read_text() == params
    assert re.search(r"^reason +changed +\d+ calls +about \d+", told, re.MULTILINE), told
    assert re.search(r"^generate .* calls +unknown$", told, re.MULTILINE), told
    assert whole == "dvc repro\n"


def test_a_model_of_ollama_is_fetched_and_found(tmp_path: Path) -> None:
    clone = make_clone(tmp_path / "clone")
    setting, commands = (blocks_of("My Ollama", language)[0] for language in ("yaml", "console"))
    set_params(clone, setting)
    with serve(SmallOllama(models=[])) as server:
        told = run_block(commands, clone, new_account(clone), {"http://127.0.0.1:11434": server.address})
    assert server.pulled == ["qwen2.5:1.5b"]
    assert re.search(r"^ok +ollama models +qwen2\.5:1\.5b$", told, re.MULTILINE), told


def own_files(home: Path) -> None:
    """A CSV export, an AACT zip, and labels as a spreadsheet writes them."""
    (home / "Downloads").mkdir(parents=True)
    (home / "Desktop").mkdir()
    (home / "Downloads" / "ctg-studies.csv").write_text(
        "NCT Number,Study Title,Phases,Study Type,Study Status\n"
        f"{A},A title,PHASE2,INTERVENTIONAL,COMPLETED\n"
    )
    with zipfile.ZipFile(home / "Downloads" / "aact.zip", "w") as archive:
        studies = [f"{nct_id}|Phase 3|Interventional|Terminated|Slow accrual" for nct_id in (B, C)]
        header = "nct_id|phase|study_type|overall_status|why_stopped"
        archive.writestr("studies.txt", "\n".join([header, *studies]) + "\n")
    (home / "Desktop" / "labels.csv").write_text(
        f"\ufeffNCT Number;label\n{A};1.0\n{B};yes\n", encoding="utf-8"
    )


def test_files_and_labels_of_ones_own_are_read(tmp_path: Path) -> None:
    clone = make_clone(tmp_path / "clone")
    account = new_account(clone)
    own_files(Path(account["HOME"]))
    (clone / "data/raw/trials").mkdir()
    (commands,) = blocks_of("My CSV and labels", "console")
    assert f"```console\n{commands}```" in (ROOT / "README.md").read_text(encoding="utf-8")
    # All but the language model: what the run goes on with is tested elsewhere.
    told = run_block(commands, clone, account, {"dvc exp run": "dvc exp run ingest"})
    assert "label_agreement" in told
    found = pl.read_parquet(clone / "data" / "trials.parquet").select(
        "nct_id", "source", "label", "label_source"
    )
    assert found.sort("nct_id").rows() == [
        (A, "ctgov-csv", 1, "csv"), (B, "aact", 1, "csv"), (C, "aact", 0, "status"),
    ]  # fmt: skip


def test_figures_of_agreement_are_those_that_were_measured() -> None:
    results, own_data = ((ROOT / "docs" / name).read_text() for name in ("results.md", "own-data.md"))
    assert "345 trials have both a label of the table and one by status" in results
    assert "They agree on .875, kappa .63" in results
    assert re.search(r"an open table of labels .* \| 345 \| 87\.5% \| \.63 \|", own_data)
    page = PAGE.read_text(encoding="utf-8")
    assert "87.5% of 345 trials, kappa .63" in page
    assert re.search(r"`status` and `results`.* \| 73 \| 52% \| \.05 \|", own_data)
    assert "52% of 73 trials, Cohen's kappa .05" in page


def test_records_of_another_tool_are_judged(finished: Path) -> None:
    account = new_account(finished)
    (line,) = blocks_of("Evaluate records from another tool", "json")
    others = simulate(24, seed=8).select("title", "conditions", "summary", "criteria")
    records = [json.loads(line), *others.with_columns(label=pl.int_range(pl.len()) % 2).to_dicts()]
    (Path(account["HOME"]) / "Desktop").mkdir()
    (Path(account["HOME"]) / "Desktop" / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    (commands,) = blocks_of("Evaluate records from another tool", "console")
    # With so few records a gate may be broken, which ends the command with code 1.
    told = run_block(
        commands, finished, account, {"--report audit.html": "--report audit.html || test $? = 1"}
    )
    assert re.search(r"^privacy\.copies +\S+ +-?[\d.]+ ", told, re.MULTILINE), told
    assert "Methotrexate in psoriasis" in (finished / "audit.html").read_text()
