"""Sources of registry records: every place they may lie in, and every way they may be bad."""

from __future__ import annotations

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
from trialforge.ingest.records import Found, chunk
from trialforge.ingest.registry import JsonSource, XmlSource
from trialforge.ingest.source import BATCH_SCHEMA, REFUSED_SCHEMA, Source

A, B, C = "NCT00000001", "NCT00000002", "NCT00000003"


def read(source: Source) -> tuple[list[str], list[tuple[str, str, str]]]:
    """The ids of all trials, and file, record and reason of all that was refused."""
    batches = list(source.batches())
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
    assert read(XmlSource(write_folder(tmp_path / "all", RECORDS))) == ([A, B, C], [])
    assert read(XmlSource(write_zip(tmp_path / "all.zip", RECORDS))) == ([A, B, C], [])
    assert read(XmlSource(tmp_path / f"all/NCT0000xxxx/{B}.xml")) == ([B], [])


def test_files_are_named_without_the_folders_above_the_source(tmp_path: Path) -> None:
    (batch,) = XmlSource(write_folder(tmp_path / "all", RECORDS)).batches()
    assert batch.trials["file"][0] == f"all/NCT0000xxxx/{A}.xml"
    (batch,) = XmlSource(write_zip(tmp_path / "all.zip", RECORDS)).batches()
    assert batch.trials["file"][0] == f"all.zip/NCT0000xxxx/{A}.xml"


def lines(*ids: str) -> bytes:
    return b"".join(study_text(nct_id) + b"\n" for nct_id in ids)


PLACES: dict[str, bytes] = {
    "one.json": study_text(A),
    "pretty.json": json.dumps(study_record(A), indent=2).encode(),
    "marked.json": b"\xef\xbb\xbf" + study_text(A),
    "list.json": b"[" + study_text(A) + b",\n" + study_text(B) + b"]",
    "page.json": json.dumps({"studies": [study_record(A), study_record(B)], "nextPageToken": "x"}).encode(),
    "lines.jsonl": lines(A, B),
    "windows.jsonl": lines(A, B).replace(b"\n", b"\r\n\r\n"),
    "lines.jsonl.gz": gzip.compress(lines(A)) + gzip.compress(lines(B)),
    "list.json.gz": gzip.compress(b"[" + study_text(A) + b"]"),
}


@pytest.mark.parametrize("name", PLACES)
def test_studies_of_every_kind_of_file(name: str, tmp_path: Path) -> None:
    expected = ([A, B] if name.startswith(("list.json", "page", "lines", "windows")) else [A], [])
    if name == "list.json.gz":
        expected = ([A], [])
    folder = write_folder(tmp_path / "studies", {name: PLACES[name]})
    assert read(JsonSource(folder / name)) == expected
    assert read(JsonSource(folder)) == expected
    if name != "lines.jsonl.gz":  # several gzip files in one are for files that a download grew
        assert read(JsonSource(write_zip(tmp_path / "studies.zip", {name: PLACES[name]}))) == expected


def test_a_list_may_be_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    ids = [f"NCT{number:08d}" for number in range(900)]
    (tmp_path / "list.json").write_bytes(b"[" + b",".join(map(study_text, ids)) + b"]")
    assert (tmp_path / "list.json").stat().st_size > 2 * 1024 * 1024
    assert read(JsonSource(tmp_path / "list.json")) == (ids, [])


DEEPER = b"<a>" * 200 + b"</a>" * 200
NESTED = b"<a>" * 250 + b"</a>" * 250
ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
BAD_XML: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "malformed-xml"),
    "truncated": (xml_record(A)[:2000], "malformed-xml"),
    "mismatched": (b"<clinical_study></other>", "malformed-xml"),
    "text": (b"not xml at all", "malformed-xml"),
    "binary": (bytes(range(256)), "malformed-xml"),
    "doctype": (ENTITIES + xml_record(A), "doctype"),
    "external-entity": (b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + xml_record(A), "doctype"),
    "doctype-utf-16": ((ENTITIES.decode() + "<clinical_study/>").encode("utf-16"), "doctype"),
    "unknown-entity": (xml_record(A, brief_title="&bomb;"), "malformed-xml"),
    "nesting": (xml_record(A).replace(b"<keyword>", NESTED + b"<keyword>"), "nesting"),
    "nesting-201": (xml_record(A).replace(b"<keyword>", DEEPER + b"<keyword>"), "nesting"),
    "wrong-encoding": (xml_record(A).replace("é".encode(), b"\xe9"), "malformed-xml"),
    "unknown-encoding": (b'<?xml version="1.0" encoding="x-no"?>' + xml_record(A), "malformed-xml"),
    "null-byte": (xml_record(A, brief_title="a\0b"), "malformed-xml"),
    "other-root": (b"<html/>", "not-a-trial"),
    "no-id": (xml_record(""), "missing-id"),
    "bad-id": (xml_record("NCT1"), "bad-id"),
    "synthetic-id": (xml_record("SYN-abcdef"), "bad-id"),
    "huge-field": (xml_record(A, brief_title="a" * 1_500_000), "huge-field"),
    "ten-mb-field": (xml_record(A, brief_title="a" * 10_500_000), "huge-field"),
    "too-large": (xml_record(A) + b" " * (33 * 1024 * 1024), "too-large"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_XML)
def test_bad_xml_is_refused_and_its_neighbours_are_read(name: str, tmp_path: Path) -> None:
    data, reason = BAD_XML[name]
    folder = write_folder(tmp_path / "all", {"a.xml": data, f"{B}.xml": xml_record(B)})
    assert read(XmlSource(folder)) == ([B], [("all/a.xml", "a", reason)])


def test_nesting_of_200_is_read(tmp_path: Path) -> None:
    data = xml_record(A).replace(b"<keyword>", b"<a>" * 199 + b"</a>" * 199 + b"<keyword>")
    assert read(XmlSource(write_folder(tmp_path / "all", {"a.xml": data}))) == ([A], [])


def study_with(**values: Any) -> bytes:
    return study_text(A, **values)


DEEP = b"[" * 250 + b"]" * 250
BAD_JSON: dict[str, tuple[bytes, str, str]] = {
    "truncated": (study_text(A)[:-5], "", "malformed-json"),
    "text": (b"not json", "", "malformed-json"),
    "nan": (study_text(A).replace(b'"count": 120', b'"count": NaN'), "", "not-a-number"),
    "infinity": (study_text(A).replace(b'"count": 120', b'"count": -Infinity'), "", "not-a-number"),
    "duplicate-key": (b'{"protocolSection": 1, ' + study_text(A)[1:], "", "duplicate-key"),
    "duplicate-inner-key": (study_text(A).replace(b'"sex"', b'"sex": "MALE", "sex"'), "", "duplicate-key"),
    "lone-surrogate": (study_text(A).replace(b"Fatigue", b"\\ud83d"), "", "lone-surrogate"),
    "lone-low-surrogate": (study_text(A).replace(b"Fatigue", b"\\udc00x"), "", "lone-surrogate"),
    "wrong-encoding": (study_text(A).replace(b"coffee", b"caf\xe9"), "", "wrong-encoding"),
    "utf-16": (study_text(A).decode().encode("utf-16-le")[:-1], "", "malformed-json"),
    "nesting": (study_text(A).replace(b'"coffee"', DEEP), "", "nesting"),
    "bottomless": (b'{"a":' + b"[" * 100_000, "", "nesting"),
    "no-study": (b'{"a": 1}', "", "not-a-trial"),
    "a-number": (b"17", "", "not-a-trial"),
    "long-number": (study_text(A).replace(b"120", b"1" * 5000), "", "malformed-json"),
    "no-id": (study_text(""), "", "missing-id"),
    "bad-id": (study_text("NCT12"), "NCT12", "bad-id"),
    "wrong-type": (study_with(conditionsModule={"conditions": "Fatigue"}), "", "wrong-type"),
    "wrong-module": (study_with(designModule__designInfo=[]), A, "wrong-type"),
    "wrong-item": (study_with(conditionsModule__keywords=[{"a": 1}]), A, "wrong-type"),
    "wrong-id": (study_text(A).replace(b'"NCT00000001"', b"[]"), "", "wrong-type"),
    "huge-field": (study_with(identificationModule__briefTitle="a" * 10_000_001), A, "huge-field"),
    "too-large": (b'{"a": "' + b"a" * (33 * 1024 * 1024) + b'"}', "", "too-large"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_JSON)
def test_a_bad_study_is_refused_and_its_neighbours_are_read(name: str, tmp_path: Path) -> None:
    data, record, reason = BAD_JSON[name]
    if name == "wrong-type":
        record, data = A, study_with(conditionsModule__conditions="Fatigue")
    if name == "utf-16":
        data = study_text(A).decode().encode("utf-16-le").replace(b"\n", b" ")
    folder = write_folder(tmp_path / "all", {"a.json": data, "b.json": study_text(B)})
    assert read(JsonSource(folder)) == ([B], [("all/a.json:1", record, reason)])


def test_a_bad_line_costs_no_other_line(tmp_path: Path) -> None:
    text = study_text(A) + b"\n{]\n" + study_text(B) + b"\n[]\n"
    (tmp_path / "all.jsonl").write_bytes(text)
    refused = [("all.jsonl:2", "", "malformed-json"), ("all.jsonl:4", "", "not-a-trial")]
    assert read(JsonSource(tmp_path / "all.jsonl")) == ([A, B], refused)


def test_a_bad_item_costs_no_other_item(tmp_path: Path) -> None:
    (tmp_path / "all.json").write_bytes(b"[" + study_text(A) + b', {"a": NaN}, ,' + study_text(B) + b"]")
    refused = [("all.json:2", "", "not-a-number"), ("all.json:3", "", "malformed-json")]
    assert read(JsonSource(tmp_path / "all.json")) == ([A, B], refused)


def page(*studies: bytes, tail: bytes = b', "nextPageToken": "x"}') -> bytes:
    return b'{"totalCount": 3, "studies": [' + b", ".join(studies) + b"]" + tail


def test_a_bad_study_costs_no_other_study_of_its_page(tmp_path: Path) -> None:
    (tmp_path / "page.json").write_bytes(
        page(study_text(A), study_text(C).replace(b'"count": 120', b'"count": NaN'), study_text(B))
    )
    refused = [("page.json:1:2", "", "not-a-number")]
    assert read(JsonSource(tmp_path / "page.json")) == ([A, B], refused)


def test_a_page_that_is_cut_or_goes_wrong_keeps_its_studies(tmp_path: Path) -> None:
    whole = page(study_text(A), study_text(B))
    (tmp_path / "pages.jsonl").write_bytes(
        whole[: -len(study_text(B))] + b"\n" + page(study_text(B), tail=b', "x": NaN}') + b"\n" + page()
    )
    refused = [("pages.jsonl:1:2", "", "malformed-json"), ("pages.jsonl:2:2", "", "not-a-number")]
    assert read(JsonSource(tmp_path / "pages.jsonl")) == ([A, B], refused)


def test_a_list_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    (tmp_path / "all.json").write_bytes(b"[" + study_text(A) + b"," + study_text(B)[:100])
    assert read(JsonSource(tmp_path / "all.json")) == ([A], [("all.json:2", "", "malformed-json")])


def test_text_after_a_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "all.json").write_bytes(b"[" + study_text(A) + b"] " + study_text(B))
    assert read(JsonSource(tmp_path / "all.json")) == ([A], [("all.json:2", "", "malformed-json")])


def test_a_cut_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    packed = gzip.compress(lines(*(f"NCT{number:08d}" for number in range(300))), 0)
    (tmp_path / "all.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    trials, refused = read(JsonSource(tmp_path / "all.jsonl.gz"))
    assert 0 < len(trials) < 300
    assert [reason for _, _, reason in refused] == ["damaged-file"]


def test_a_file_that_is_no_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl.gz").write_bytes(b"plain text")
    assert read(JsonSource(tmp_path / "all.jsonl.gz")) == ([], [("all.jsonl.gz:1", "", "damaged-file")])


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl.gz").write_bytes(gzip.compress(b"\n" * 40_000_000))
    trials, refused = read(JsonSource(tmp_path / "all.jsonl.gz"))
    assert (trials, [reason for _, _, reason in refused]) == ([], ["zip-bomb"])


@pytest.mark.parametrize("source", [XmlSource, JsonSource])
def test_a_file_of_another_kind_is_an_error(source: type[XmlSource | JsonSource], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(IngestError, match=r"a\.txt is no folder"):
        list(source(tmp_path / "a.txt").batches())


@pytest.mark.parametrize(("source", "name"), [(XmlSource, "a.xml"), (JsonSource, "a.json")])
def test_other_files_of_a_folder_are_refused(
    source: type[XmlSource | JsonSource], name: str, tmp_path: Path
) -> None:
    record = xml_record(A) if name == "a.xml" else study_text(A)
    folder = write_folder(tmp_path / "all", {name: record, "in/notes.txt": b"", "in/more.zip": b"PK"})
    refused = [("all/in/more.zip", "", "other-file"), ("all/in/notes.txt", "", "other-file")]
    trials, found = read(source(folder))
    assert (trials, [(file, "", reason) for file, _, reason in found]) == ([A], refused)


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = write_folder(tmp_path / "all", {"in/a.xml": xml_record(A)}) / "in"
    scan = os.scandir

    def deny(path: str) -> Any:
        if Path(path) == inner:
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(IngestError, match=r"folder .*all/in can't be read: Permission denied"):
        list(XmlSource(tmp_path / "all").batches())


def test_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    assert read(XmlSource(tmp_path)) == ([], [])


def test_absurd_values_are_set_aside_and_their_trial_is_kept(tmp_path: Path) -> None:
    values = {
        "start_date": ("Smarch 1997", "start_date", "absurd-date"),
        "completion_date": ("June 1066", "completion_date", "absurd-date"),
        "study_first_submitted": ("May 4, 12015", "first_submitted", "absurd-date"),
        "minimum_age": ("500 Years", "minimum_age", "absurd-age"),
        "maximum_age": ("-1 Years", "maximum_age", "absurd-age"),
        "enrollment": ("99999999999", "enrolment_planned", "absurd-enrolment"),
        "phase": ("Phase 9", "phase", "unknown-phase"),
        "overall_status": ("Lost", "status", "unknown-status"),
        "intervention_type": ("Magic", "interventions", "unknown-intervention-type"),
        "measure": ("", "primary_outcomes", "nameless-part"),
    }
    files = {f"{tag}.xml": xml_record(A, **{tag: value}) for tag, (value, _, _) in values.items()}
    batches = list(XmlSource(write_folder(tmp_path / "all", files)).batches())
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
    assert read(XmlSource(write_folder(tmp_path / "all", {"a.xml": data}))) == (
        [A],
        [("all/a.xml", A, "empty-criteria")],
    )


def test_batches_are_the_same_whatever_the_number_of_records_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{number}.xml": xml_record(f"NCT{number:08d}") for number in range(100, 150)}
    source = XmlSource(write_zip(tmp_path / "all.zip", files))
    (whole,) = source.batches()
    monkeypatch.setattr("trialforge.ingest.records.CHUNK_RECORDS", 7)
    parts = list(source.batches())
    assert len(parts) == 8
    assert pl.concat([part.trials for part in parts]).equals(whole.trials)


def test_chunks_are_bounded_by_bytes() -> None:
    def found() -> Iterator[Found]:
        for number in range(10):
            yield Found(str(number), packed=bytes(3 * 1024 * 1024))

    assert [len(one) for one in chunk(found())] == [3, 3, 3, 1]
