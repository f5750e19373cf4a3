"""The stage `ingest` on small files of every kind of source, and with what a user may get wrong."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.stages.in_process import run_stage
from tests.unit.ingest.made_records import study_record, study_text, xml_record
from tests.unit.ingest.registry_server import Registry, serve
from trialforge.core.errors import TrialforgeError, describe_error
from trialforge.core.files import read_json
from trialforge.trial.record import TRIAL_SCHEMA

ROOT = Path(__file__).resolve().parents[2]
A, B, C = "NCT00000001", "NCT00000002", "NCT00000003"
TOP = "nctid,status,why_stop,label,phase,diseases,icdcodes,drugs,smiless,criteria\n"


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "PATH": os.environ["PATH"], **variables}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def run_ingest(folder: Path, **corpus: Any) -> None:
    """Run the stage with parameters that differ so from the default; the user's files lie in data/raw."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["ingest"] |= corpus
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    outs = ("--trials", "trials.parquet", "--refused", "refused.parquet", "--metrics", "ingest.json")
    run_stage(folder, "ingest", *outs)


def refuse(folder: Path, **corpus: Any) -> str:
    """What the stage says of parameters with which it can't run."""
    with pytest.raises(TrialforgeError) as caught:
        run_ingest(folder, **corpus)
    return describe_error(caught.value.args[0], caught.value.hint)


def ingest(folder: Path, **corpus: Any) -> tuple[pl.DataFrame, list[tuple[str, str]], dict[str, Any]]:
    """The trials, file and reason of what was refused, and the metrics."""
    run_ingest(folder, **corpus)
    trials = pl.read_parquet(folder / "trials.parquet")
    assert set(trials.columns) == {*TRIAL_SCHEMA, "normalized_interventions", "official_part"}
    refused = pl.read_parquet(folder / "refused.parquet").select("file", "reason").rows()
    return trials, refused, read_json(folder / "ingest.json")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The folder of the user's own files."""
    folder = tmp_path / "data" / "raw"
    folder.mkdir(parents=True)
    return folder


def test_a_zip_of_xml_with_labels_by_status(tmp_path: Path, raw: Path) -> None:
    stopped = xml_record(B, overall_status="Terminated").replace(
        b"<start_date>", b"<why_stopped>Slow accrual, says Dr. Jane Roe</why_stopped><start_date>"
    )
    with zipfile.ZipFile(raw / "all.zip", "w") as file:
        file.writestr(f"{A}.xml", xml_record(A, overall_status="Completed", measure="Mail a@b.org"))
        file.writestr(f"{B}.xml", stopped)
        file.writestr("cut.xml", xml_record(C)[:900])
        file.writestr("../out.xml", xml_record(C))
        file.writestr("Contents.txt", b"")
        file.writestr("again.xml", xml_record(A, overall_status="Completed", phase="Phase 9"))
    trials, refused, metrics = ingest(tmp_path, source="registry", path="data/raw/all.zip")
    assert trials.select("nct_id", "source", "label", "label_source", "label_evidence").rows() == [
        (B, "ctgov-xml", 0, "status", "Terminated (enrolment)"),
        (A, "ctgov-xml", 1, "status", "Completed"),
    ]
    assert trials["why_stopped"][0] == "Slow accrual, says the investigator"
    assert trials["normalized_interventions"].list.len().min() > 0
    assert sorted(refused) == [
        ("all.zip/../out.xml", "zip_slip"),
        ("all.zip/Contents.txt", "other_file"),
        ("all.zip/NCT00000001.xml", "duplicate_id"),
        ("all.zip/again.xml", "unknown_phase"),
        ("all.zip/cut.xml", "malformed_xml"),
    ]
    assert (metrics["trials"], metrics["label"]) == (2, {"failure": 1, "success": 1})
    assert metrics["refused"]["total"] == 5
    assert metrics["source"] == {"ctgov-xml": 2}
    assert metrics["several_records"] == {"trials": 1, "filled": {"phase": 1}}
    assert metrics["people_removed"] == {"address": 0, "degree": 0, "email": 1, "telephone": 0, "title": 1}


def test_a_folder_of_xml_read_by_several_processes(tmp_path: Path, raw: Path) -> None:
    for number in range(600):
        (raw / "all" / f"{number % 7}").mkdir(parents=True, exist_ok=True)
        nct_id = f"NCT{number:08d}"
        (raw / "all" / f"{number % 7}" / f"{nct_id}.xml").write_bytes(xml_record(nct_id))
    (raw / "all" / "notes.txt").write_text("")
    trials, refused, _ = ingest(tmp_path, source="registry", path="data/raw/all")
    assert trials["nct_id"].n_unique() == trials.height == 600
    assert trials["nct_id"].head(2).to_list() == ["NCT00000000", "NCT00000007"]
    assert refused == [("all/notes.txt", "other_file")]


def test_forms_of_all_kinds_in_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "raw" / "trials"
    (folder / "aact").mkdir(parents=True)
    (folder / f"{A}.xml").write_bytes(xml_record(A, last_update_submitted="May 2, 2019"))
    (folder / "page.json.gz").write_bytes(gzip.compress(b'{"studies": [%s]}' % study_text(A)))
    (folder / "ctg-studies.csv").write_text(
        "NCT Number,Study Title,Phases,Study Type,Study Status\n"
        f"{A},A title,PHASE2,INTERVENTIONAL,COMPLETED\n"
        f"{B},Another,PHASE3,INTERVENTIONAL,COMPLETED\n"
    )
    (folder / "aact" / "studies.txt").write_text(
        f"nct_id|phase|study_type|overall_status|source\n{C}||Observational|Completed|\n{B}||||\n"
    )
    (folder / "aact" / "conditions.txt").write_text(f"id|nct_id|name\n1|{B}|Cold\n")
    (folder / "euctr.txt").write_text("EudraCT Number: 2004-000015-25\n")
    (folder / "README.md").write_text("From the registry, 2024.\n")
    trials, refused, metrics = ingest(tmp_path, source="registry")
    assert trials.select("nct_id", "source", "label").rows() == [(A, "ctgov-xml", None), (B, "aact", 1)]
    assert trials.filter(nct_id=B)["conditions"].to_list() == [["Cold"]]
    counts = metrics["refused"]
    assert (counts["other_file"], counts["other_registry"], counts["duplicate_id"]) == (1, 1, 3)
    assert metrics["left_out"] == {"other_study_type": 1}
    assert metrics["several_records"]["trials"] == 2
    assert metrics["several_records"]["filled"]["title"] == 1
    lacks = metrics["fields_not_in_file"]
    assert set(lacks) == {"trials/ctg-studies.csv", "trials/aact"}
    assert "criteria" in lacks["trials/ctg-studies.csv"].split(", ")
    assert ("trials/aact/studies", "other_study_type") in refused


def test_studies_are_fetched_from_a_faulty_server_and_ingested(tmp_path: Path, raw: Path) -> None:
    faults = {0: (503, {"Retry-After": "0"}, b""), 1: (0, {}, b""), 2: (200, {}, b'{"studies": [')}
    studies = [study_record(A), study_record(B), {"protocolSection": {}}]
    with serve(Registry(studies, faults=faults)) as registry:
        fetch = (
            "trialforge.app.cli",
            "fetch",
            "data/raw/got.jsonl.gz",
            "--condition",
            "fatigue",
            "--phase",
            "Phase 2",
        )
        done = run(tmp_path, *fetch, "--json", REGISTRY_URL=registry.url)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == read_json(raw / "got.jsonl.gz.manifest.json")
    assert len(registry.queries) == 4
    assert registry.queries[0]["query.cond"] == "fatigue"
    assert all(
        later - earlier > 0.9 for earlier, later in zip(registry.times, registry.times[1:], strict=False)
    )
    labels = ["results", "status"]
    trials, refused, _ = ingest(tmp_path, source="registry", path="data/raw/got.jsonl.gz", labels=labels)
    assert trials.select("nct_id", "source").rows() == [(A, "ctgov-json"), (B, "ctgov-json")]
    assert refused == [("got.jsonl.gz:3", "missing_id")]


def test_a_server_that_refuses_is_a_clear_error(tmp_path: Path) -> None:
    with serve(Registry([], faults={0: (400, {}, b"no such area")})) as registry:
        done = run(tmp_path, "trialforge.app.cli", "fetch", "got.jsonl.gz", REGISTRY_URL=registry.url)
    assert done.returncode != 0
    assert "HTTP 400 no such area" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "got.jsonl.gz").exists()


def test_top_tables_joined_to_studies_and_a_vocabulary(tmp_path: Path, raw: Path) -> None:
    def row(nct_id: str, label: str) -> str:
        return f"""{nct_id},completed,,{label},phase 2,"['a cold']",[],"['aspirin']",[],Adults\n"""

    (raw / "top").mkdir()
    (raw / "top/x_train.csv").write_text(TOP + row(A, "0") + row(B, "perhaps"))
    with gzip.open(raw / "top/x_test.csv.gz", "wt") as file:
        file.write(TOP + row(C, "1"))
    (raw / "studies.json").write_bytes(study_text(A, statusModule__overallStatus="COMPLETED"))
    (raw / "names.csv").write_text("Common name,Synonyms\nAcetylsalicylic acid,Aspirin | ASA\n")
    trials, refused, metrics = ingest(
        tmp_path, source="top", top_path="data/raw/top", path="data/raw/studies.json", labels="top",
        vocabulary="data/raw/names.csv",
    )  # fmt: skip
    assert trials.select("nct_id", "source", "label", "label_source", "official_part").rows() == [
        (A, "ctgov-json", 0, "top", "train"),
        (C, "top", 1, "top", "test"),
        (B, "top", None, None, "train"),
    ]
    assert trials["label_evidence"].to_list() == ["TOP x_train.csv:2", "TOP x_test.csv.gz:2", None]
    assert trials["normalized_interventions"][1].to_list() == ["acetylsalicylic acid"]
    assert refused == [("x_train.csv:3", "unknown_label")]
    agreement = metrics["label_agreement"]
    assert (agreement["top_status_n"], agreement["top_status_share"]) == (2, 0.5)


def test_labels_of_the_users_own(tmp_path: Path, raw: Path) -> None:
    (raw / "all.jsonl").write_bytes(study_text(A) + b"\n" + study_text(B) + b"\n")
    (raw / "mine.csv").write_text(f"nct_id,label,evidence\n{B},1,read the paper\n{C},0,\n")
    trials, refused, metrics = ingest(
        tmp_path,
        source="registry",
        path="data/raw/all.jsonl",
        labels=["csv", "results"],
        labels_path="data/raw/mine.csv",
    )
    assert trials.select("nct_id", "label", "label_source", "label_evidence").rows() == [
        (A, 1, "results", "results 1: p <0.001"),
        (B, 1, "csv", "csv 1: read the paper; results 1: p <0.001"),
    ]
    assert refused == []
    assert metrics["label_table"]["csv"] == {
        "labels": 2, "trials_matched": 1, "trials_without": 1, "unmatched": 1, "unmatched_first": C,
    }  # fmt: skip
    assert metrics["label_rate"]["all"] == {"labelled": 2, "success": 1.0}
    assert metrics["p_value"] == {"read": 2, "unreadable": 0, "alike": 0}


@pytest.mark.parametrize(
    ("corpus", "problem"),
    [
        ({"source": "pubmed"}, "`ingest.source`"),
        ({"sorce": "top"}, "`ingest.sorce`: Extra inputs are not permitted"),
        ({"source": "ctgov-xml"}, "`ctgov-xml` is now called `registry`, which reads every format"),
        ({"source": "ctgov-json"}, "`ctgov-json` is now called `registry`, which reads every format"),
        ({"source": "registry"}, "`ingest.path`: no file or folder data/raw/trials"),
        ({"source": "registry", "path": "data/raw/empty"}, "no trial in data/raw/empty, which has no files"),
        ({"source": "registry", "path": "data/raw/cut.zip"}, "nothing can be read from cut.zip: not a"),
        ({"source": "registry", "path": "data/raw/observed.json"}, "no trials are left: 1 other_study_type"),
        ({"source": "top"}, "no TOP table (.csv or .csv.gz) at data/raw/top"),
        ({"path": "trials.jsonl"}, "`ingest.path`: trials.jsonl is outside data/raw, so DVC"),
        ({"labels_path": "data/raw/../l.csv"}, "`ingest.labels_path`: data/raw/../l.csv is outside"),
        ({"top_path": "/top"}, "cp -r /top data/raw/ && dvc add data/raw/top"),
        ({"vocabulary": "~/my names.csv"}, "/my names.csv' data/raw/; then set the parameter to data/raw/my"),
        ({"population": {"phases": ["Phase 9"]}}, "`ingest.population.phases.0`"),
        ({"labels": "csv"}, "no label table data/raw/labels.csv"),
        ({"labels": "votes"}, "`ingest.labels.0`: Input should be 'csv', 'results', 'status' or 'top'"),
        ({"vocabulary": "data/raw/nowhere.csv"}, "vocabulary data/raw/nowhere.csv can't be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_named(tmp_path: Path, raw: Path, corpus: dict[str, Any], problem: str) -> None:
    (raw / "empty").mkdir()
    (raw / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    (raw / "observed.json").write_bytes(study_text(A, designModule__studyType="OBSERVATIONAL"))
    assert problem in refuse(tmp_path, **corpus)
    assert not (tmp_path / "trials.parquet").exists()
    assert list(tmp_path.glob(".*.part")) == []


def test_a_linked_folder_is_refused_for_dvc_sees_no_change_of_it(tmp_path: Path, raw: Path) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "a.json").write_bytes(study_text(A))
    (raw / "trials").symlink_to(tmp_path / "large")
    told = refuse(tmp_path, source="registry")
    assert "data/raw/trials is a link to a folder, which DVC does not follow" in told
    mend = told.split("link each of its files instead: ")[1].strip()
    subprocess.run(mend, shell=True, cwd=tmp_path, check=True)
    trials, _, _ = ingest(tmp_path, source="registry")
    assert trials["nct_id"].to_list() == [A]
