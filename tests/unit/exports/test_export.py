"""Exports say what they are, and refuse what is not synthetic."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest
import yaml
from lxml import etree

from tests.unit.reporting import sample
from trialforge.app import cli
from trialforge.core.errors import ExportError
from trialforge.core.files import write_csv, write_json, write_parquet
from trialforge.core.made_from import name_plots, name_tables
from trialforge.exports import export
from trialforge.exports.export import FORMATS, check_synthetic, export_records
from trialforge.exports.registry_words import age_words, api_phases, api_word
from trialforge.ingest.registry import RegistrySource
from trialforge.reporting.card import build_card, plain_cell
from trialforge.trial.record import REGISTRATION_FIELDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]

RECORDS = sample.make_tables(6)["synthetic"]
CARD = build_card(sample.make_inputs(), RECORDS)


@pytest.mark.parametrize(
    "change",
    [
        pl.lit("NCT01234567").alias("nct_id"),
        pl.lit("ctgov-xml").alias("source"),
        pl.lit(None).alias("nct_id"),
    ],
    ids=["real id", "real source", "no id"],
)
@pytest.mark.parametrize("form", FORMATS)
def test_a_record_that_is_not_synthetic_is_refused(form: str, change: pl.Expr, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="not marked as synthetic"):
        export_records(RECORDS.with_columns(change), form, tmp_path / "out", CARD)
    assert not (tmp_path / "out").exists()


def test_one_real_record_among_synthetic_ones_is_named() -> None:
    real = RECORDS.head(1).with_columns(nct_id=pl.lit("NCT00000007"))
    with pytest.raises(ExportError, match=r"1 of 5 records .* `NCT00000007`"):
        check_synthetic(pl.concat([RECORDS, real]))


def test_no_records_and_unknown_format_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no records to export"):
        export_records(RECORDS.clear(), "hf", tmp_path, CARD)
    with pytest.raises(ExportError, match="choose from hf, jsonl, xml, api"):
        export_records(RECORDS, "csv", tmp_path, CARD)


@pytest.mark.parametrize("form", FORMATS)
def test_same_records_give_the_same_bytes(form: str, tmp_path: Path) -> None:
    first = export_records(RECORDS, form, tmp_path / "a", CARD)
    again = export_records(RECORDS.sample(fraction=1, shuffle=True, seed=1), form, tmp_path / "b", CARD)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_each_form_marks_record_and_file(tmp_path: Path) -> None:
    for form in FORMATS:
        export_records(RECORDS, form, tmp_path / form, CARD)
    parquet = next((tmp_path / "hf").rglob("*.parquet"))
    assert pl.read_parquet_metadata(parquet)["synthetic"] == "true"
    assert pl.read_parquet(parquet)["synthetic"].all()
    rows = [
        json.loads(line) for line in (tmp_path / "jsonl" / "synthetic-trials.jsonl").read_text().splitlines()
    ]
    assert all(row["synthetic"] is True and row["nct_id"].startswith("SYN-") for row in rows)
    page = json.loads((tmp_path / "api" / "synthetic-studies-001.json").read_text())
    assert (page["synthetic"], "describes no real trial" in page["notice"]) == (True, True)
    studies = page["studies"]
    assert page["totalCount"] == len(studies) == RECORDS.height
    assert all("describes no real trial" in study["synthetic"]["notice"] for study in studies)
    with zipfile.ZipFile(tmp_path / "xml" / "synthetic-trials.zip") as archive:
        assert b"describes no real trial" in archive.comment
        roots = [etree.fromstring(archive.read(name)) for name in archive.namelist()]
    assert [root.get("synthetic") for root in roots] == ["true"] * RECORDS.height
    for form in FORMATS:
        assert "**Every record here is synthetic.**" in (tmp_path / form / "README.md").read_text()


def test_many_records_are_pages_and_no_page_of_an_earlier_export_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    assert len(export_records(RECORDS, "api", tmp_path, CARD)) == 3
    pages = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.json"))]
    ids = [
        study["protocolSection"]["identificationModule"]["nctId"] for one in pages for study in one["studies"]
    ]
    assert ids == sorted(RECORDS["nct_id"])
    export_records(RECORDS.head(1), "api", tmp_path, CARD)
    assert [path.name for path in tmp_path.glob("*.json")] == ["synthetic-studies-001.json"]


@pytest.fixture(params=["sample", "default run"])
def run_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder in which a pipeline ran: the default run of this checkout, or a sample of one."""
    if request.param == "sample":
        for name, table in sample.make_tables(6).items():
            write_parquet(table, tmp_path / "data" / f"{name}.parquet")
        made_from = name_tables(tmp_path / "data" / "synthetic.parquet")
        write_json(sample.SCORE | made_from, tmp_path / "metrics" / "score.json")
    elif (ROOT / "data" / "synthetic.parquet").is_file():
        for name in ("data", "metrics", "plots"):
            shutil.copytree(ROOT / name, tmp_path / name)
    else:
        pytest.skip("the default run has no outs here")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("form", FORMATS)
def test_the_command_exports_a_run_that_is_read_again(
    form: str, run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(run_folder)
    assert cli.run(["export", "out", "--format", form, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    records = pl.read_parquet(run_folder / "data" / "synthetic.parquet").sort("nct_id")
    assert (told["records"], told["format"]) == (records.height, form)
    written = [run_folder / name for name in told["files"]]
    assert sorted(written) == sorted(path for path in (run_folder / "out").rglob("*") if path.is_file())
    again = {
        "hf": lambda path: pl.read_parquet(path),
        "jsonl": lambda path: pl.read_ndjson(path, schema=records.schema | {"synthetic": pl.Boolean}),
        "xml": lambda path: pl.concat([batch.trials for batch in RegistrySource(path).batches()]),
        "api": lambda path: pl.concat([batch.trials for batch in RegistrySource(path).batches()]),
    }[form](written[0])
    # The registry's shapes tell paragraphs from lines otherwise than we do: empty lines do not come back.
    whole = records.select(REGISTRATION_FIELDS).with_columns(pl.col(pl.String).str.replace_all("\n+", "\n"))
    found = again.select(REGISTRATION_FIELDS).with_columns(pl.col(pl.String).str.replace_all("\n+", "\n"))
    assert found.to_dicts() == whole.to_dicts()


def test_figures_of_another_run_are_refused_with_the_stage_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = sample.make_tables(6)
    for name, table in tables.items():
        write_parquet(table, tmp_path / "data" / f"{name}.parquet")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)

    def export_error() -> str:
        code = cli.run(["export", "out"])
        out, err = capsys.readouterr()
        assert (code, out == "") == (bool(err), bool(err))
        return err

    records = Path("data/synthetic.parquet")
    for stem in ("validation", "quality", "score"):
        write_json({"figure": 1} | name_tables(records), Path(f"metrics/{stem}.json"))
    assert export_error() == ""
    write_parquet(tables["synthetic"].head(1), records)  # as after `dvc repro validate` with other parameters
    stages = {"validation": "validate", "quality": "measure", "score": "score"}
    for left, stage in stages.items():
        for stem in stages:
            write_json({"figure": 1} | name_tables(records), Path(f"metrics/{stem}.json"))
        assert export_error() == ""
        write_json({"figure": 1, "made_from": {"synthetic": "0" * 64}}, Path(f"metrics/{left}.json"))
        error = export_error()
        assert f"metrics/{left}.json was computed from another version of data/synthetic.parquet" in error
        assert f"dvc repro {stage}" in error
        write_json({"figure": 1}, Path(f"metrics/{left}.json"))
        assert f"metrics/{left}.json does not say which data/synthetic.parquet" in export_error()
    for stem in stages:
        write_json({"figure": 1} | name_tables(records), Path(f"metrics/{stem}.json"))
    write_json({"targets": 99_999}, Path("metrics/generation.json"))
    assert "metrics/generation.json does not say which data/generated.parquet" in export_error()
    write_json({"targets": 6} | name_tables(Path("data/generated.parquet")), Path("metrics/generation.json"))
    plot = Path("plots/learning/arms.csv")
    write_csv(sample.make_plots()["learning/arms"], plot)
    error = export_error()
    assert "plots/learning/arms.csv was not written with metrics/score.json" in error
    assert "dvc repro score" in error
    write_json({"figure": 1} | name_tables(records) | name_plots(plot), Path("metrics/score.json"))
    assert export_error() == ""
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("source: simulated", "source: registry", 1))
    assert "ingest.source = registry, but data/train.parquet has simulated trials" in export_error()


def test_card_header_is_yaml_that_a_hub_reads() -> None:
    header = yaml.safe_load(CARD.split("---\n")[1])
    assert header["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]
    assert "synthetic" in header["tags"]


@pytest.mark.parametrize("form", FORMATS)
def test_card_names_the_file_beside_it_or_none(form: str, tmp_path: Path) -> None:
    written, card = export_records(RECORDS, form, tmp_path, CARD)
    header = yaml.safe_load(card.read_text().split("---\n")[1])
    paths = [one["path"] for config in header.get("configs", []) for one in config["data_files"]]
    assert paths == ([written.relative_to(tmp_path).as_posix()] if form in {"hf", "jsonl"} else [])
    assert "synthetic" in header["tags"]


def test_card_shows_what_was_measured() -> None:
    assert "| precision: share of records near a real trial | 0.82 |" in CARD
    assert "| verdict on that change | not shown |" in CARD


def test_card_of_real_sources_names_registry_date_and_changes() -> None:
    from dataclasses import replace
    from datetime import date

    inputs = replace(
        sample.make_inputs(), params={"ingest": {"source": "registry"}}, newest_record=date(2023, 2, 3)
    )
    card = build_card(inputs, RECORDS)
    changes = ("what was changed", "registry ids and\n  web addresses were masked", "names, e-mail")
    for words in ("ClinicalTrials.gov", "National Library of Medicine", "2023-02-03", *changes):
        assert words in card


def test_markdown_cells_hold_no_markup() -> None:
    assert plain_cell("a|b <img>\n`x`") == "a\\|b &lt;img&gt; \\`x\\`"


@pytest.mark.parametrize("form", ["hf", "jsonl"])
def test_loads_as_a_data_set_without_network(form: str, tmp_path: Path) -> None:
    export_records(RECORDS, form, tmp_path / "set", CARD)
    code = (
        "import sys; from datasets import load_dataset;"
        "rows = load_dataset(sys.argv[1], split='train');"
        "print(rows.num_rows, all(rows['synthetic']), rows[0]['nct_id'])"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "set")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.stdout.split() == ["4", "True", "SYN-000000000000"], done.stderr[-2000:]


@pytest.mark.parametrize(
    ("age", "words"),
    [(18.0, "18 Years"), (1.0, "1 Year"), (0.5, "6 Months"), (0.0, "0 Years"), (1.5, "18 Months")],
)
def test_age_words(age: float, words: str) -> None:
    assert age_words(age) == words


def test_registry_words() -> None:
    assert api_word("Non-Randomized") == "NON_RANDOMIZED"
    assert api_word("N/A") == "NA"
    assert api_phases("Phase 1/Phase 2") == ["PHASE1", "PHASE2"]
    assert api_phases("Early Phase 1") == ["EARLY_PHASE1"]
