"""Sources of registry records: every place they may lie in, and every way they may be bad."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.ingest.made_records import study_record, study_text, xml_record
from trialforge.core.errors import IngestError
from trialforge.ingest.registry import Found, RegistrySource, chunk
from trialforge.ingest.source import BATCH_SCHEMA, REFUSED_SCHEMA

A, B, C = "NCT00000001", "NCT00000002", "NCT00000003"


pytestmark = pytest.mark.slow


def read(path: Path) -> tuple[list[str], list[tuple[str, str, str]]]:
    """The ids of all trials, and file, record and reason of all that was refused."""
    batches = list(RegistrySource(path).batches())
    for batch in batches:
        assert batch.trials.schema == pl.Schema(BATCH_SCHEMA)
        assert batch.refused.schema == pl.Schema(REFUSED_SCHEMA)
    trials = [nct_id for batch in batches for nct_id in batch.trials["nct_id"]]
    return trials, [row[:3] for batch in batches for row in batch.refused.rows()]


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


RECORDS = {f"NCT0000xxxx/{nct_id}.xml": xml_record(nct_id) for nct_id in (A, B, C)}


def test_xml_of_a_folder_a_zip_and_a_file(tmp_path: Path) -> None:
    assert read(write_folder(tmp_path / "all", RECORDS)) == ([A, B, C], [])
    assert read(write_zip(tmp_path / "all.zip", RECORDS)) == ([A, B, C], [])
    assert read(tmp_path / f"all/NCT0000xxxx/{B}.xml") == ([B], [])


def test_files_are_named_without_the_folders_above_the_source(tmp_path: Path) -> None:
    (batch,) = RegistrySource(write_folder(tmp_path / "all", RECORDS)).batches()
    assert batch.trials["file"][0] == f"all/NCT0000xxxx/{A}.xml"
    (batch,) = RegistrySource(write_zip(tmp_path / "all.zip", RECORDS)).batches()
    assert batch.trials["file"][0] == f"all.zip/NCT0000xxxx/{A}.xml"


def lines(*ids: str) -> bytes:
    return b"".join(study_text(nct_id) + b"\n" for nct_id in ids)


def page(*studies: bytes, tail: bytes = b', "nextPageToken": "x"}') -> bytes:
    return b'{"totalCount": 3, "studies": [' + b", ".join(studies) + b"]" + tail


PLACES: dict[str, tuple[bytes, list[str]]] = {
    "one": (study_text(A), [A]),
    "pretty": (json.dumps(study_record(A), indent=2).encode(), [A]),
    "marked": (b"\xef\xbb\xbf" + study_text(A), [A]),
    "utf-16": (study_text(A).decode().encode("utf-16"), [A]),
    "list": (b"[" + study_text(A) + b",\n" + study_text(B) + b"]", [A, B]),
    "page": (page(study_text(A), study_text(B)), [A, B]),
    "page-after-lists": (b'{"query": {"cond": ["a"]}, "meta": [1], ' + page(study_text(A))[1:], [A]),
    "pages": (page(study_text(A)) + b"\n" + page(study_text(B)) + b"\n" + page(), [A, B]),
    "by-id": (b'{"%s": %s, "%s": %s}' % (A.encode(), study_text(A), B.encode(), study_text(B)), [A, B]),
    "lines": (lines(A, B), [A, B]),
    "windows-lines": (lines(A, B).replace(b"\n", b"\r\n\r\n"), [A, B]),
    "pretty-lines": (json.dumps(study_record(A), indent=1).encode() + b"\n" + study_text(B), [A, B]),
    "gz": (gzip.compress(lines(A)) + gzip.compress(lines(B)), [A, B]),
    "bz2": (bz2.compress(lines(A, B)), [A, B]),
    "xml": (xml_record(A), [A]),
    "xml-utf-16": (b"\xff\xfe" + xml_record(A).decode().encode("utf-16-le"), [A]),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("ending", ["", ".json", ".jsonl.gz", ".xml"])
def test_a_file_is_read_by_what_it_holds(name: str, ending: str, tmp_path: Path) -> None:
    data, ids = PLACES[name]
    folder = write_folder(tmp_path / "all", {f"{name}{ending}": data})
    assert read(folder / f"{name}{ending}") == (ids, [])
    assert read(folder) == (ids, [])
    packed = write_zip(tmp_path / "all.zip", {f"{name}{ending}": data})
    assert read(packed) == (ids, [])
    assert read(write_folder(tmp_path / "other", {"in/all": packed.read_bytes()})) == (ids, [])


def test_all_forms_lie_in_one_folder(tmp_path: Path) -> None:
    files = {f"{name}.dat": data for name, (data, _) in PLACES.items()} | {
        "aact/studies.txt": b"nct_id|phase\nNCT00000004|PHASE1\n",
        "export.csv": b"NCT Number,Study Title\nNCT00000005,A trial\n",
        "README.md": b"Where these files come from.\n",
    }
    trials, refused = read(write_folder(tmp_path / "all", files))
    assert sorted(set(trials)) == [A, B, "NCT00000004", "NCT00000005"]
    assert [file for file, _, _ in refused] == ["all/README.md"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_page_is_read_as_a_stream_whatever_its_size(packed: bool, tmp_path: Path) -> None:
    filler = [json.dumps({"a": f"{number:x}" * 200_000}).encode() for number in range(25)]
    studies = [
        study_text(f"NCT{number:08d}")[:-1] + b', "x": ' + text + b"}" for number, text in enumerate(filler)
    ]
    text = page(*studies * 8)
    assert len(text) > 43_000_000
    path = tmp_path / "page.json"
    path.write_bytes(text)
    if packed:
        path = write_zip(tmp_path / "page.zip", {"page.json": text})
    trials, refused = read(path)
    assert trials == [f"NCT{number:08d}" for number in range(25)] * 8
    assert refused == []


DEEPER = b"<a>" * 200 + b"</a>" * 200
NESTED = b"<a>" * 250 + b"</a>" * 250
ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
BAD_XML: dict[str, tuple[bytes, str]] = {
    "truncated": (xml_record(A)[:2000], "malformed_xml"),
    "mismatched": (b"<clinical_study></other>", "malformed_xml"),
    "doctype": (ENTITIES + xml_record(A), "doctype"),
    "external-entity": (b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + xml_record(A), "doctype"),
    "doctype-utf-16": ((ENTITIES.decode() + "<clinical_study/>").encode("utf-16"), "doctype"),
    "unknown-entity": (xml_record(A, brief_title="&bomb;"), "malformed_xml"),
    "nesting": (xml_record(A).replace(b"<keyword>", NESTED + b"<keyword>"), "nesting"),
    "nesting-201": (xml_record(A).replace(b"<keyword>", DEEPER + b"<keyword>"), "nesting"),
    "wrong-encoding": (xml_record(A).replace("é".encode(), b"\xe9"), "malformed_xml"),
    "unknown-encoding": (b'<?xml version="1.0" encoding="x-no"?>' + xml_record(A), "malformed_xml"),
    "no-id": (xml_record(""), "missing_id"),
    "bad-id": (xml_record("NCT1"), "bad_id"),
    "synthetic-id": (xml_record("SYN-abcdef"), "bad_id"),
    "other-registry": (xml_record("EUCTR2012-001234-12"), "other_registry"),
    "huge-field": (xml_record(A, brief_title="a" * 1_500_000), "huge_field"),
    "ten-mb-field": (xml_record(A, brief_title="a" * 10_500_000), "huge_field"),
    "too-large": (xml_record(A) + b" " * (33 * 1024 * 1024), "too_large"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_XML)
def test_bad_xml_is_refused_and_its_neighbours_are_read(name: str, tmp_path: Path) -> None:
    data, reason = BAD_XML[name]
    folder = write_folder(tmp_path / "all", {"a.xml": data, f"{B}.xml": xml_record(B)})
    trials, refused = read(folder)
    assert (trials, [(file, why) for file, _, why in refused]) == ([B], [("all/a.xml", reason)])


def test_nesting_of_200_is_read(tmp_path: Path) -> None:
    data = xml_record(A).replace(b"<keyword>", b"<a>" * 199 + b"</a>" * 199 + b"<keyword>")
    assert read(write_folder(tmp_path / "all", {"a.xml": data})) == ([A], [])


def study_with(**values: Any) -> bytes:
    return study_text(A, **values)


DEEP = b"[" * 2000 + b"]" * 2000
BAD_JSON: dict[str, tuple[bytes, str, str]] = {
    "truncated": (study_text(A)[:-5], "", "malformed_json"),
    "nan": (study_text(A).replace(b'"count": 120', b'"count": NaN'), "", "not_a_number"),
    "infinity": (study_text(A).replace(b'"count": 120', b'"count": -Infinity'), "", "not_a_number"),
    "lone-surrogate": (study_text(A).replace(b"Fatigue", b"\\ud83d"), "", "lone_surrogate"),
    "lone-low-surrogate": (study_text(A).replace(b"Fatigue", b"\\udc00x"), "", "lone_surrogate"),
    "wrong-encoding": (study_text(A).replace(b"coffee", b"caf\xe9"), "", "wrong_encoding"),
    "nesting": (study_text(A).replace(b'"coffee"', DEEP), "", "nesting"),
    "no-id": (study_text(""), "", "missing_id"),
    "bad-id": (study_text("NCT12"), "NCT12", "bad_id"),
    "other-registry": (study_text("2022-501234-12-00"), "2022-501234-12-00", "other_registry"),
    "wrong-type": (study_with(conditionsModule__conditions="Fatigue"), A, "wrong_type"),
    "wrong-module": (study_with(designModule__designInfo=[]), A, "wrong_type"),
    "wrong-item": (study_with(conditionsModule__keywords=[{"a": 1}]), A, "wrong_type"),
    "wrong-id": (study_text(A).replace(b'"NCT00000001"', b"[]"), "", "wrong_type"),
    "huge-field": (study_with(identificationModule__briefTitle="a" * 10_000_001), A, "huge_field"),
    "too-large": (study_text(A)[:-1] + b', "a": "' + b"a" * (33 * 1024 * 1024) + b'"}', "", "too_large"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_JSON)
def test_a_bad_study_is_refused_and_its_neighbours_are_read(name: str, tmp_path: Path) -> None:
    data, record, reason = BAD_JSON[name]
    folder = write_folder(tmp_path / "all", {"a.json": data, "b.json": study_text(B)})
    assert read(folder) == ([B], [("all/a.json:1", record, reason)])


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty.json": (b"", "an empty file"),
    "web-page": (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
    "pdf": (b"%PDF-1.7 ...", "a PDF file"),
    "parquet": (b"PAR1....", "a Parquet table"),
    "dump": (b"PGDMP....", "PostgreSQL dump"),
    "binary": (bytes(range(256)), "binary data"),
    "other-json": (b'{"a": 1}', "JSON without a protocolSection: a"),
    "number": (b"[17]", "JSON without a protocolSection: int"),
    "old-api": (b'{"FullStudiesResponse": {"FullStudies": []}}', "API v1, which ended in 2024"),
    "other-xml": (b"<rss/>", "the root element is 'rss'"),
    "text.json": (b"not json at all", "text that is not JSON"),
    "ids.csv": (b"nct_id\nNCT00000001\n", "a table without a column NCT Number"),
    "labels.csv": (b"nct_id,label\nNCT00000001,1\n", "a table of labels"),
    "top.csv": (b"nctid,status,why_stop,label\nNCT00000001,,,1\n", "a TOP table"),
    "no-studies/conditions.txt": (b"id|nct_id|name\n1|NCT00000001|cold\n", "without studies.txt"),
    "cut.zip": (b"PK\x03\x04 and no more", "not a complete zip archive"),
    "cut.gz": (gzip.compress(lines(A))[:30], "end-of-stream"),
    "no-trials.jsonl": (b'{"protocolSection": {}}\n{"protocolSection": {}}\n', "no nct_id (and 1 more)"),
    "bomb.gz": (gzip.compress(b"[" + b"\n" * 40_000_000), "unpacks to over 200 times"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("beside", [False, True])
def test_a_file_of_which_nothing_can_be_read_is_an_error_that_names_it(
    name: str, beside: bool, tmp_path: Path
) -> None:
    data, what = UNREADABLE[name]
    folder = write_folder(tmp_path / "all", {name: data} | ({"b.json": study_text(B)} if beside else {}))
    with pytest.raises(IngestError) as caught:
        read(folder)
    message = str(caught.value)
    assert f"nothing can be read from all/{name}" in message
    assert what in message
    assert f"fix it, or move it out of {folder}" in message


@pytest.mark.parametrize(
    "data", [b"<clinical_study>", b'{"protocolSection": {', study_text("EUCTR2012-001234-12")]
)
def test_a_single_bad_record_alone_is_an_error(data: bytes, tmp_path: Path) -> None:
    path = write_folder(tmp_path, {"a": data}) / "a"
    with pytest.raises(IngestError, match=r"(nothing can be read from|no trial in) \S*a: "):
        read(path)


OTHERS: dict[str, bytes] = {
    "ictrp.xml": b"<Trials_downloaded_from_ICTRP><Trial/></Trials_downloaded_from_ICTRP>",
    "ctis.json": b'{"ctNumber": "2022-501234-12-00", "ctStatus": "Ended"}',
    "euctr.txt": b"Summary\nEudraCT Number:   2004-000015-25\n",
    "anzctr.xml": b'<?xml version="1.0"?>\n<ANZCTR_Trials><ANZCTR_Trial/></ANZCTR_Trials>',
    "ctis.csv": b"EU CT Number;Title\n2022-501234-12-00;A trial\n",
    "isrctn.csv": b"ISRCTN ID,Title\nISRCTN12345678,A trial\n",
    "drks.csv": b"DRKS-ID;Title\nDRKS00000001;A trial\n",
    "ictrp.csv": b"TrialID,Public_title\nISRCTN12345678,A trial\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_other_registries_are_set_aside_and_told(name: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "all", {name: OTHERS[name], "b.json": study_text(B)})
    trials, refused = read(folder)
    assert (trials, [(file, why) for file, _, why in refused]) == ([B], [(f"all/{name}", "other_registry")])
    with pytest.raises(IngestError, match=r"no trial in .*of another registry"):
        read(folder / name)


def test_a_bad_line_costs_no_other_line(tmp_path: Path) -> None:
    text = study_text(A) + b"\n{]\n" + study_text(B) + b"\n{}\n17\n" + study_text(C)
    (tmp_path / "all.jsonl").write_bytes(text)
    refused = [
        ("all.jsonl:2", "", "malformed_json"), ("all.jsonl:4", "", "not_a_trial"),
        ("all.jsonl:5", "", "not_a_trial"),
    ]  # fmt: skip
    assert read(tmp_path / "all.jsonl") == ([A, B, C], refused)


def test_a_bad_item_costs_no_other_item(tmp_path: Path) -> None:
    bad = study_text(C).replace(b'"count": 120', b'"count": NaN')
    for text in (b"[" + study_text(A) + b", " + bad + b", ," + study_text(B) + b"]",
                 page(study_text(A), bad, study_text(B))):  # fmt: skip
        (tmp_path / "all.json").write_bytes(text)
        assert read(tmp_path / "all.json") == ([A, B], [("all.json:2", "", "not_a_number")])


def test_a_list_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    for head in (b"[", b'{"studies": ['):
        (tmp_path / "all.json").write_bytes(head + study_text(A) + b"," + study_text(B)[:100])
        assert read(tmp_path / "all.json") == ([A], [("all.json:2", "", "malformed_json")])


def test_a_cut_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    packed = gzip.compress(lines(*(f"NCT{number:08d}" for number in range(300))), 0)
    (tmp_path / "all.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    trials, refused = read(tmp_path / "all.jsonl.gz")
    assert 0 < len(trials) < 300
    assert [reason for _, _, reason in refused] == ["damaged_file"]


def test_ids_are_read_whatever_their_case_and_spaces(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(study_text(" nct00000001 "))
    assert read(tmp_path / "a.json") == ([A], [])


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = write_folder(tmp_path / "all", {"in/a.xml": xml_record(A)}) / "in"
    scan = os.scandir

    def deny(path: Any) -> Any:
        if path == str(inner):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(IngestError, match=r"folder .*all/in can't be read: Permission denied"):
        read(tmp_path / "all")


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"no trial in .*, which has no files"):
        read(tmp_path)
    write_folder(tmp_path, {"page.json": page(), "notes.txt": b"a"})
    with pytest.raises(IngestError, match=r"no trial in .*notes\.txt: text that is not a registry record"):
        read(tmp_path)


@pytest.mark.parametrize("text", [b"notes, one\rtwo\r", b"notes, one\rtwo\nthree\n", b'a,"b\rc'])
def test_notes_with_a_carriage_return_stop_nothing(text: bytes, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "all", {"notes.txt": text, "b.json": study_text(B)})
    assert read(folder) == ([B], [("all/notes.txt", "", "other_file")])


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        ("PHASE2", "Phase 2"), ('["PHASE2","PHASE1"]', "Phase 1/Phase 2"), (["PHASE2"], "Phase 2"),
        ("", None), (None, None), ([], None),
    ],
)  # fmt: skip
def test_phases_of_a_study_are_a_list_or_a_string(said: Any, phase: str | None, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(study_with(designModule__phases=said))
    (batch,) = RegistrySource(tmp_path / "a.json").batches()
    assert (batch.trials["phase"].to_list(), batch.refused.height) == ([phase], 0)


WITHOUT_TRIALS: dict[str, tuple[bytes, str]] = {
    "list.json": (b"[]", "JSON without a study"),
    "page.json": (b'{"studies": []}', "JSON without a study"),
    "export.csv": (b"NCT Number,Study Title\n", "a table without a row"),
    "export-unix.csv": (b"sep=,\nNCT Number,Study Title", "a table without a row"),
    "studies.txt": (b"nct_id|phase\n", "a table without a row"),
}


@pytest.mark.parametrize("name", WITHOUT_TRIALS)
def test_a_file_without_trials_is_told(name: str, tmp_path: Path) -> None:
    data, what = WITHOUT_TRIALS[name]
    folder = write_folder(tmp_path / "all", {name: data})
    with pytest.raises(IngestError, match=rf"no trial in {folder}: all/{name}: {what}"):
        read(folder)
    trials, refused = read(write_folder(tmp_path / "all", {"b.json": study_text(B)}))
    assert trials == [B]
    assert [(file, why) for file, _, why in refused] == [(f"all/{name.removesuffix('.txt')}", "no_trial")]


def test_absurd_values_are_set_aside_and_their_trial_is_kept(tmp_path: Path) -> None:
    values = {
        "start_date": ("Smarch 1997", "start_date", "unread_date"),
        "completion_date": ("June 1066", "completion_date", "absurd_date"),
        "study_first_submitted": ("May 4, 12015", "first_submitted", "unread_date"),
        "minimum_age": ("500 Years", "minimum_age", "absurd_age"),
        "maximum_age": ("-1 Years", "maximum_age", "absurd_age"),
        "enrollment": ("99999999999", "enrolment_planned", "absurd_enrolment"),
        "phase": ("Phase 9", "phase", "unknown_phase"),
        "overall_status": ("Lost", "status", "unknown_status"),
        "intervention_type": ("Magic", "interventions", "unknown_intervention_type"),
        "measure": ("", "primary_outcomes", "nameless_part"),
    }
    files = {f"{tag}.xml": xml_record(A, **{tag: value}) for tag, (value, _, _) in values.items()}
    batches = list(RegistrySource(write_folder(tmp_path / "all", files)).batches())
    refused = {row["file"]: row for batch in batches for row in batch.refused.to_dicts()}
    trials = {row["file"]: row for batch in batches for row in batch.trials.to_dicts()}
    assert len(trials) == len(values)
    for tag, (value, field, reason) in values.items():
        row = refused.pop(f"all/{tag}.xml")
        assert (row["record"], row["reason"]) == (A, reason)
        assert value in row["detail"]
        kept = trials[f"all/{tag}.xml"][field]
        assert kept is None or kept == [] or kept[0]["type"] is None
    assert not refused


def test_empty_criteria_are_told(tmp_path: Path) -> None:
    data = xml_record(A, textblock="x").replace(b"Inclusion", b"").replace(b"<criteria>", b"<criterion>")
    data = data.replace(b"</criteria>", b"</criterion>")
    assert read(write_folder(tmp_path / "all", {"a.xml": data})) == (
        [A],
        [("all/a.xml", A, "empty_criteria")],
    )


def test_batches_are_the_same_whatever_the_number_of_records_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{number}.xml": xml_record(f"NCT{number:08d}") for number in range(100, 150)}
    source = RegistrySource(write_zip(tmp_path / "all.zip", files))
    (whole,) = source.batches()
    monkeypatch.setattr("trialforge.ingest.registry.CHUNK_RECORDS", 7)
    parts = list(source.batches())
    assert len(parts) == 8
    assert pl.concat([part.trials for part in parts]).equals(whole.trials)


def test_chunks_are_bounded_by_bytes() -> None:
    def found() -> Iterator[Found]:
        for number in range(10):
            yield Found("all", str(number), "xml", bytes(3 * 1024 * 1024))

    assert [len(one.records) for one in chunk(found())] == [3, 3, 3, 1]
