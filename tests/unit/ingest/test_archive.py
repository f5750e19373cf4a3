"""Zip archives: read as zipfile reads them, and refused where they are hostile."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.ingest.made_records import xml_record
from trialforge.core.errors import IngestError
from trialforge.ingest import archive
from trialforge.ingest.raw import RecordError
from trialforge.ingest.records import Found, find_in_zip
from trialforge.ingest.registry import XmlSource

XML = (".xml",)
A, B = "NCT00000001", "NCT00000002"


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def outcome(found: Found) -> bytes | str:
    try:
        return found.read()
    except RecordError as error:
        return error.reason


def outcomes(path: Path) -> list[bytes | str]:
    return [outcome(found) for found in find_in_zip(path, XML)]


names = st.text(alphabet="abcé/x0", min_size=1, max_size=12).map(lambda name: f"f/{name.strip('/')}a.xml")


@settings(max_examples=40, deadline=None)
@given(
    members=st.dictionaries(names, st.binary(max_size=3000), max_size=6),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    comment=st.binary(max_size=100).filter(lambda text: b"PK\x05\x06" not in text),
    before=st.binary(max_size=50),
)
def test_members_are_those_that_zipfile_reads(
    members: dict[str, bytes],
    method: int,
    comment: bytes,
    before: bytes,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    members = {name: data for name, data in members.items() if not data.startswith(b"PK\x03\x04")}
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    buffer = io.BytesIO(before)
    buffer.seek(0, 2)
    with zipfile.ZipFile(buffer, "a", method) as file:
        file.comment = comment
        for name, data in members.items():
            file.writestr(name, data)
    path.write_bytes(buffer.getvalue())
    found = list(find_in_zip(path, XML))
    assert [one.file for one in found] == [f"a.zip/{name}" for name in members]
    assert [one.read() for one in found] == list(members.values())


def test_an_archive_with_64_bit_sizes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        with file.open(zipfile.ZipInfo("a.xml"), "w", force_zip64=True) as member:
            member.write(b"<a/>")
        file.writestr("b.xml", b"<b/>")
    # Rewrite the end as an archive of over 65,535 members has it.
    data = path.read_bytes()
    at = data.rindex(b"PK\x05\x06")
    _, _, _, _, count, size, offset, _ = struct.unpack_from("<4s4H2LH", data, at)
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(data[:at] + wide + locator + end)
    assert outcomes(path) == [b"<a/>", b"<b/>"]


@pytest.mark.parametrize("name", ["../a.xml", "/etc/a.xml", "a/../../b.xml", "..\\a.xml", "C:/a.xml"])
def test_a_path_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    assert outcomes(write_zip(tmp_path / "a.zip", {name: b"<a/>", "b.xml": b"<b/>"})) == ["zip-slip", b"<b/>"]


def test_nested_and_other_files_are_refused(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", {"a.xml": b"<a/>"}).read_bytes()
    path = write_zip(
        tmp_path / "a.zip", {"in.zip": inner, "in.xml": inner, "notes.txt": b"", "b.xml": b"<b/>"}
    )
    assert outcomes(path) == ["nested-archive", "nested-archive", "other-file", b"<b/>"]


def patched(path: Path, offset: int, form: str, value: int) -> Path:
    """Change a number in the first entry of the directory."""
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, data.index(b"PK\x01\x02") + offset, value)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("offset", "form", "value", "reason"),
    [
        (8, "<H", 0x1, "encrypted"),
        (8, "<H", 0x40, "encrypted"),
        (10, "<H", 12, "unknown-packing"),
        (16, "<L", 1234, "damaged-member"),
        (20, "<L", 3, "damaged-member"),
        (42, "<L", 7, "damaged-member"),
    ],
    ids=["encrypted", "strongly-encrypted", "bzip2", "checksum", "packed-size", "offset"],
)
def test_a_damaged_entry_is_refused(offset: int, form: str, value: int, reason: str, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.xml": b"<a>text</a>", "b.xml": b"<b/>"})
    assert outcomes(patched(path, offset, form, value)) == [reason, b"<b/>"]


def test_a_bomb_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.xml": bytes(48 * 1024 * 1024), "b.xml": b"<b/>"})
    patched(path, 24, "<L", 10)  # the header says ten bytes
    tracemalloc.start()
    assert outcomes(path) == ["zip-bomb", b"<b/>"]
    assert tracemalloc.get_traced_memory()[1] < 30 * 1024 * 1024
    tracemalloc.stop()


def test_a_ratio_over_200_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.xml": b" " * 2_000_000, "b.xml": b" " * 60_000})
    assert outcomes(path) == ["zip-bomb", b" " * 60_000]


def test_a_member_at_the_limit_is_read_and_one_byte_more_is_not() -> None:
    for size, refused in ((archive.MAX_MEMBER, False), (archive.MAX_MEMBER + 1, True)):
        packed = zlib.compressobj(0, zlib.DEFLATED, -15)
        data = packed.compress(bytes(size)) + packed.flush()
        if refused:
            with pytest.raises(RecordError, match="too-large"):
                archive.inflate(data, wbits=-15)
        else:
            assert len(archive.inflate(data, wbits=-15)) == size


@pytest.mark.parametrize("cut", [0, 10, 60, 150])
def test_a_cut_or_foreign_file_is_an_error_that_names_it(cut: int, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.xml": b"<a/>", "b.xml": b"<b/>"})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(IngestError, match=r"a\.zip is no whole zip archive"):
        list(find_in_zip(path, XML))


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_one_changed_byte_never_breaks_the_reader(
    position: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write_zip(
        tmp_path_factory.mktemp("zip") / "a.zip", {"a.xml": b"<a/>", "b/c.xml": b"<b>text</b>" * 9}
    )
    data = bytearray(path.read_bytes())
    data[position % len(data)] = value
    path.write_bytes(data)
    try:
        found = outcomes(path)
    except IngestError:
        return
    assert len(found) <= 2


def test_hostile_members_of_a_zip_are_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", {f"{B}.xml": xml_record(B)}).read_bytes()
    spaces = b" " * (33 * 1024 * 1024)
    files = {
        "../a.xml": xml_record(B), "in.zip": inner, "in.xml": inner, "notes.txt": b"", "locked.xml": b"<a/>",
        "bomb.xml": xml_record(B) + spaces[:5_000_000], "a.xml": xml_record(A),
    }  # fmt: skip
    path = write_zip(tmp_path / "all.zip", files)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as file:
        file.writestr("large.xml", spaces)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"locked.xml") - 46  # of the directory: its flags stand at byte 8
    data[entry + 8] |= 1
    path.write_bytes(data)
    (batch,) = XmlSource(path).batches()
    assert batch.trials["nct_id"].to_list() == [A]
    refused = dict(batch.refused.select(pl.col("file").str.strip_prefix("all.zip/"), "reason").iter_rows())
    assert refused == {
        "../a.xml": "zip-slip", "in.zip": "nested-archive", "in.xml": "nested-archive",
        "notes.txt": "other-file", "locked.xml": "encrypted", "bomb.xml": "zip-bomb",
        "large.xml": "too-large",
    }  # fmt: skip
