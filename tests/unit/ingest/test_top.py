"""TOP tables, alone and joined to registry records."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from tests.unit.ingest.made_records import xml_record
from trialforge.core.errors import IngestError, ParameterError
from trialforge.ingest.factory import open_source
from trialforge.ingest.params import IngestParams
from trialforge.ingest.registry import RegistrySource
from trialforge.ingest.top import TopSource, read_top, refuse_labels

HEAD = "nctid,status,why_stop,label,phase,diseases,icdcodes,drugs,smiless,criteria\n"
CRITERIA = '"\n        Inclusion Criteria:\n\n          -  Adults who are\n             well\n      "'


def row(
    nct_id: str, label: int = 1, diseases: str = "['a cold', \"crohn's disease\"]", phase: str = "phase 2"
) -> str:
    quoted = diseases.replace('"', '""')
    return f"""{nct_id},completed,,{label},{phase},"{quoted}",[],"['drug a']",[],{CRITERIA}\n"""


def write(folder: Path, name: str, *rows: str) -> Path:
    folder.mkdir(exist_ok=True)
    data = (HEAD + "".join(rows)).encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def test_a_table_alone(tmp_path: Path) -> None:
    write(tmp_path, "phase_II_train.csv", row("NCT00000001"))
    (batch,) = TopSource(str(tmp_path)).batches()
    (trial,) = batch.trials.to_dicts()
    assert trial["source"] == "top"
    assert trial["phase"] == "Phase 2"
    assert trial["status"] == "Completed"
    assert trial["conditions"] == ["a cold", "crohn's disease"]
    assert trial["interventions"] == [
        {"type": "Drug", "name": "drug a", "description": None, "other_names": []}
    ]
    assert trial["criteria"] == "Inclusion Criteria:\n- Adults who are well"
    assert trial["has_results"] is None
    assert trial["label"] is None
    assert trial["file"] == "phase_II_train.csv:2"


def test_parts_and_labels_come_from_the_tables(tmp_path: Path) -> None:
    write(tmp_path, "phase_I_train.csv.gz", row("NCT00000001", 0), row("NCT00000002"))
    write(tmp_path, "phase_I_valid.csv", row("NCT00000003"))
    write(tmp_path, "phase_I_test.csv", row("NCT00000004"))
    write(tmp_path, "mine.csv", row("NCT00000005"))
    table = read_top(str(tmp_path)).sort("nctid").select("nctid", "label", "part")
    assert table.rows() == [
        ("NCT00000001", 0, "train"),
        ("NCT00000002", 1, "train"),
        ("NCT00000003", 1, "validation"),
        ("NCT00000004", 1, "test"),
        ("NCT00000005", 1, None),
    ]
    assert read_top(str(tmp_path / "phase_I_t*")).height == 3


def test_rows_joined_to_records_are_the_records(tmp_path: Path) -> None:
    tables = write(tmp_path / "top", "a_train.csv", row("NCT00000001"), row("NCT00000002"))
    records = tmp_path / "records"
    records.mkdir()
    for nct_id in ("NCT00000002", "NCT00000003"):
        (records / f"{nct_id}.xml").write_bytes(xml_record(nct_id))
    batches = list(TopSource(str(tables), RegistrySource(records)).batches())
    trials = pl.concat([batch.trials for batch in batches])
    assert trials.select("nct_id", "source").rows() == [("NCT00000002", "ctgov-xml"), ("NCT00000001", "top")]
    assert trials["title"][0] == "Drug A & Drug B in Café Workers"


def test_bad_rows_are_refused(tmp_path: Path) -> None:
    write(
        tmp_path, "a.csv", row("NCT00000001"), row(""), row("X1"), row("NCT00000002", diseases="[1, 2]"),
        row("NCT00000003", diseases="__import__('os')"), row("NCT00000004", diseases="[" * 9999),
        row("NCT00000005", phase="phase 9"),
    )  # fmt: skip
    (batch,) = TopSource(str(tmp_path)).batches()
    assert batch.trials["nct_id"].to_list() == ["NCT00000001", "NCT00000005"]
    assert sorted((r["file"], r["record"], r["reason"]) for r in batch.refused.to_dicts()) == [
        ("a.csv:3", "", "missing_id"),
        ("a.csv:4", "X1", "bad_id"),
        ("a.csv:5", "NCT00000002", "malformed_list"),
        ("a.csv:6", "NCT00000003", "malformed_list"),
        ("a.csv:7", "NCT00000004", "malformed_list"),
        ("a.csv:8", "NCT00000005", "unknown_phase"),
    ]


def test_a_label_that_is_none_is_told_and_its_trial_kept(tmp_path: Path) -> None:
    rows = [row("NCT00000001"), row("NCT00000002"), row("NCT00000003"), row("NCT00000004")]
    rows[0] = rows[0].replace(",1,", ", 1.0,")
    rows[1] = rows[1].replace(",1,", ",yes,")
    rows[2] = rows[2].replace(",1,", ",2,")
    rows[3] = rows[3].replace(",1,", ",,")
    write(tmp_path, "a_train.csv", *rows)
    refused = refuse_labels(str(tmp_path))
    assert refused.select("file", "record", "reason").rows() == [
        ("a_train.csv:3", "NCT00000002", "unknown_label"),
        ("a_train.csv:4", "NCT00000003", "unknown_label"),
    ]
    assert "label yes; allowed are 0 and 1" in refused["detail"][0]
    assert read_top(str(tmp_path))["label"].to_list() == [1, None, None, None]


def test_what_is_no_table_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="no TOP table"):
        read_top(str(tmp_path / "*.csv"))
    with pytest.raises(IngestError, match=r"no TOP table .* at .*none\.csv"):
        read_top(str(tmp_path / "none.csv"))
    (tmp_path / "a.csv").write_text("nctid,label\nNCT00000001,1\n")
    with pytest.raises(IngestError, match=r"a\.csv lacks status, why_stop, phase"):
        read_top(str(tmp_path))


def test_sources_are_chosen_by_parameters(tmp_path: Path) -> None:
    tables = write(tmp_path / "top", "a.csv", row("NCT00000001"))
    (tmp_path / "a.xml").write_bytes(xml_record("NCT00000001"))
    params = IngestParams(source="top", top_path=str(tables), path=str(tmp_path / "a.xml"))
    (trial,) = pl.concat([batch.trials for batch in open_source(params, 0).batches()]).to_dicts()
    assert trial["source"] == "ctgov-xml"
    alone = IngestParams(source="top", top_path=str(tables))  # nothing lies in the default folder
    (trial,) = pl.concat([batch.trials for batch in open_source(alone, 0).batches()]).to_dicts()
    assert trial["source"] == "top"


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        (IngestParams(source="registry"), r"`ingest\.path`: no file or folder data/raw/trials"),
        (
            IngestParams(source="top", top_path="x", path="/nowhere"),
            r"`ingest\.path`: no file or folder /nowhere",
        ),
    ],
)
def test_a_missing_parameter_is_an_error(params: IngestParams, problem: str) -> None:
    with pytest.raises(ParameterError, match=problem):
        open_source(params, 0)
