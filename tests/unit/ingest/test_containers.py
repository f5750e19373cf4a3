"""Files and what is packed in them: read as they were packed, and refused where they are hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialforge.ingest.containers import Refused, walk
from trialforge.ingest.raw import RecordError

Outcome = bytes | str


pytestmark = pytest.mark.slow


def outcomes(path: Path) -> dict[str, Outcome]:
    """The content of each leaf by its name, or the reason why it can't be had."""
    found: dict[str, Outcome] = {}
    for leaf in walk(path):
        if isinstance(leaf, Refused):
            found[leaf.name] = leaf.error.reason
            continue
        try:
            found[leaf.name] = leaf.stream.read()
        except RecordError as error:
            found[leaf.name] = error.reason
    return found


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


names = st.text(alphabet="abcé/x0", min_size=1, max_size=12).map(lambda name: f"f/{name.strip('/')}a.xml")
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@settings(max_examples=40, deadline=None)
@given(
    members=st.dictionaries(names, st.binary(max_size=3000), max_size=6),
    method=st.sampled_from(METHODS),
    comment=st.binary(max_size=100).filter(lambda text: b"PK\x05\x06" not in text),
)
def test_members_of_a_zip_are_read(
    members: dict[str, bytes], method: int, comment: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    with zipfile.ZipFile(path, "w", method) as file:
        file.comment = comment
        for name, data in members.items():
            file.writestr(name, data)
    plain = {
        name: data
        for name, data in members.items()
        if not data.startswith((b"PK", b"\x1f\x8b", b"BZh", b"\xfd7z"))
    }
    assert outcomes(path).items() >= {f"a.zip/{name}": data for name, data in plain.items()}.items()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "joined-gzip": lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]),
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("form", PACKED)
@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.bz2", "a.zip", "a"])
def test_a_packed_file_is_known_by_what_it_holds(form: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(PACKED[form](b"some text"))
    assert outcomes(tmp_path / name) == {name: b"some text"}


@pytest.mark.parametrize("form", PACKED)
def test_a_packed_file_in_an_archive_and_a_packed_tar_are_read(form: str, tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {"in/a": PACKED[form](b"some text"), "b": b"other"})
    assert outcomes(tmp_path / "a.zip") == {"a.zip/in/a": b"some text", "a.zip/b": b"other"}
    (tmp_path / "a.tgz").write_bytes(PACKED[form](tar({"in/a": b"some text", "b": b"other"})))
    assert outcomes(tmp_path / "a.tgz") == {"a.tgz/in/a": b"some text", "a.tgz/b": b"other"}


def test_a_folder_is_read_in_order_with_its_links_and_without_hidden_files(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    (folder / "b").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far").write_bytes(b"4")
    for name, data in {"b/2": b"2", "a": b"1", ".DS_Store": b"x", "c": b"3"}.items():
        (folder / name).write_bytes(data)
    (folder / "d").symlink_to(elsewhere)
    (folder / "b" / "up").symlink_to(folder)
    (folder / "e").symlink_to(elsewhere / "far")
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe")
    assert list(outcomes(folder).items()) == [
        ("all/a", b"1"), ("all/c", b"3"), ("all/e", b"4"), ("all/gone", "unreadable_file"),
        ("all/pipe", "other_file"), ("all/b/2", b"2"), ("all/d/far", b"4"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["../a", "/etc/a", "a/../../b", "..\\a", "C:/a"])
def test_a_path_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar({name: b"x", "b": b"y"}))
    for path in (write_zip(tmp_path / "a.zip", {name: b"x", "b": b"y"}), tmp_path / "a.tar"):
        assert list(outcomes(path).values()) == ["zip_slip", b"y"]


def test_archives_in_archives_are_refused(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", {"a": b"x"}).read_bytes()
    path = write_zip(
        tmp_path / "a.zip",
        {"in.zip": inner, "in.txt": inner, "in.tar": tar({"a": b"x"}), "z.gz": gzip.compress(inner),
         "deep": gzip.compress(gzip.compress(b"x")), "b": b"y"},
    )  # fmt: skip
    assert list(outcomes(path).values()) == [*["nested_archive"] * 5, b"y"]


def test_links_and_devices_in_a_tar_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        for name, kind in (
            ("link", tarfile.SYMTYPE),
            ("device", tarfile.CHRTYPE),
            ("pipe", tarfile.FIFOTYPE),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            file.addfile(entry)
        entry = tarfile.TarInfo("b")
        entry.size = 1
        file.addfile(entry, io.BytesIO(b"y"))
    assert outcomes(tmp_path / "a.tar").get("a.tar/b") == b"y"
    assert not any(
        b"root" in found for found in outcomes(tmp_path / "a.tar").values() if isinstance(found, bytes)
    )


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
        (10, "<H", 12, "damaged_file"),
        (10, "<H", 99, "damaged_file"),
        (16, "<L", 1234, "damaged_file"),
        (20, "<L", 3, "damaged_file"),
        (42, "<L", 7, "damaged_file"),
    ],
    ids=["encrypted", "strongly-encrypted", "bzip2", "unknown-packing", "checksum", "packed-size", "offset"],
)
def test_a_damaged_entry_is_refused(offset: int, form: str, value: int, reason: str, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a": b"<a>text</a>", "b": b"<b/>"})
    assert list(outcomes(patched(path, offset, form, value)).values()) == [reason, b"<b/>"]


def read_in_pieces(path: Path) -> set[tuple[str, str]]:
    """The file on the disk and the reason of all that can't be read to its end."""
    found = set()
    for leaf in walk(path):
        if isinstance(leaf, Refused):
            found.add((leaf.origin, leaf.error.reason))
            continue
        try:
            while leaf.stream.read(2**20):
                pass
        except RecordError as error:
            found.add((leaf.origin, error.reason))
    return found


def test_bombs_are_refused_before_they_fill_memory_or_time(tmp_path: Path) -> None:
    zeros = bytes(48 * 1024 * 1024)
    write_zip(tmp_path / "a.zip", {"a": zeros})
    write_zip(tmp_path / "b.zip", {"a": gzip.compress(zeros)}, zipfile.ZIP_STORED)
    (tmp_path / "c.gz").write_bytes(gzip.compress(zeros))
    (tmp_path / "d.gz").write_bytes(gzip.compress(gzip.compress(zeros)))
    (tmp_path / "e.bz2").write_bytes(bz2.compress(zeros))
    (tmp_path / "f.xz").write_bytes(lzma.compress(zeros))
    (tmp_path / "g.tgz").write_bytes(gzip.compress(tar({"a": zeros})))
    tracemalloc.start()
    names = ("a.zip", "b.zip", "c.gz", "d.gz", "e.bz2", "f.xz", "g.tgz")
    assert read_in_pieces(tmp_path) == {(f"{tmp_path.name}/{name}", "zip_bomb") for name in names}
    assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    tracemalloc.stop()


def test_a_large_stream_of_plausible_text_is_read(tmp_path: Path) -> None:
    text = b"".join(b'{"number": %d, "text": "%x"}\n' % (n, n * 7919) for n in range(1_500_000))
    assert len(text) > 43_000_000
    path = write_zip(tmp_path / "a.zip", {"a.jsonl": text})
    assert outcomes(path) == {"a.zip/a.jsonl": text}


@pytest.mark.parametrize("cut", [4, 10, 60, 150])
def test_a_cut_archive_is_refused(cut: int, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a": b"<a/>", "b": b"<b/>"})
    path.write_bytes(path.read_bytes()[:cut])
    assert outcomes(path) == {"a.zip": "damaged_file"}


@settings(max_examples=150, deadline=None)
@given(
    form=st.sampled_from(["zip", "tar", *PACKED]), position=st.integers(0, 10_000), value=st.integers(0, 255)
)
def test_one_changed_byte_never_breaks_the_reader(
    form: str, position: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "a"
    members = {"a": b"<a/>", "b/c": b"<b>text</b>" * 9}
    if form == "zip":
        write_zip(path, members)
    else:
        path.write_bytes(tar(members) if form == "tar" else PACKED[form](b"<b>text</b>" * 9))
    data = bytearray(path.read_bytes())
    data[position % len(data)] = value
    path.write_bytes(data)
    assert len(outcomes(path)) <= 3
