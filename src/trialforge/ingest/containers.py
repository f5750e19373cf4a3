"""Files and what is packed in them, one stream after another: nothing is extracted, no size is believed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, Protocol, cast

from trialforge.core.errors import IngestError
from trialforge.ingest.raw import RecordError

MAX_RATIO = 200  # bytes that one packed byte may become
_RATIO_FROM = 1024 * 1024  # blank paper packs well: below this size no ratio is suspicious
_BUFFER = 64 * 1024
_NOTES = (".dvc", ".manifest.json")  # what DVC and `trialforge fetch` write beside a file
_MOST_LAYERS = 2
_TAR = slice(257, 262)
_ENCRYPTED = 0x1 | 0x40 | 0x2000
# bz2 and xz find repeats that are farther apart, and so pack long lists of like records better.
_PACKERS: dict[bytes, tuple[Callable[[io.BufferedReader], _Readable], int]] = {
    b"\x1f\x8b": (lambda file: gzip.GzipFile(fileobj=file), MAX_RATIO),
    b"BZh": (bz2.BZ2File, 10 * MAX_RATIO),
    b"\xfd7zXZ": (lzma.LZMAFile, 10 * MAX_RATIO),
}
_DAMAGE = (
    zlib.error, EOFError, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile,
    RuntimeError, NotImplementedError, ValueError, OverflowError,
)  # fmt: skip


class _Readable(Protocol):
    def read1(self, size: int, /) -> bytes: ...


class Leaf(NamedTuple):
    """A stream to read before the next leaf is asked for.

    Attributes:
        origin: the file on the disk, named from the folder that was asked for.
        name: `origin`, and after it the member of an archive.
        stream: the unpacked bytes; reading raises RecordError where they can't be had.
    """

    origin: str
    name: str
    stream: io.BufferedReader

    @property
    def head(self) -> bytes:
        """The first bytes, at most 64 KiB of them; they stay in the stream."""
        return self.stream.peek(_BUFFER)


class Refused(NamedTuple):
    """A file or member that can't be opened, and why."""

    origin: str
    name: str
    error: RecordError


class _Limited(io.RawIOBase):
    """A stream that ends with an error where it unpacks to too much, or is damaged."""

    def __init__(self, stream: _Readable, packed: Callable[[], int] | None, ratio: int) -> None:
        self._stream = stream
        self._packed = packed
        self._ratio = ratio
        self._given = 0
        self._fault: RecordError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer; what comes before a fault is given first."""
        filled = 0
        while filled < len(buffer) and not self._fault:
            try:
                data = self._read(len(buffer) - filled)
            except RecordError as error:
                self._fault = error
                break
            buffer[filled : filled + len(data)] = data
            filled += len(data)
            if not data:
                return filled
        if self._fault and not filled:
            raise self._fault
        return filled

    def _read(self, size: int) -> bytes:
        try:
            data = self._stream.read1(size)
        except _DAMAGE as error:
            raise RecordError("damaged_file", str(error) or type(error).__name__) from error
        except OSError as error:
            reason = "damaged_file" if error.errno is None else "unreadable_file"
            raise RecordError(reason, error.strerror or str(error)) from error
        self._given += len(data)
        if self._packed and self._given > max(_RATIO_FROM, self._ratio * self._packed()):
            raise RecordError("zip_bomb", f"it unpacks to over {self._ratio} times its size")
        return data


@dataclass(frozen=True, slots=True)
class _Packed:
    """A stream that may hold a leaf, or more streams.

    Attributes:
        stream: its bytes.
        origin: the file on the disk.
        name: the file and the member.
        file: the file itself where this is all of it, so that it can be sought in.
        packed: how many bytes of the outermost packing were read.
        layers: how many packings were opened.
    """

    stream: io.BufferedReader
    origin: str
    name: str
    file: IO[bytes] | None = None
    packed: Callable[[], int] | None = None
    layers: int = 0


def walk(path: Path) -> Iterator[Leaf | Refused]:
    """Yield what a file, or each file of a folder and those below it, holds, in order of name.

    Links are followed, each folder once. Names that start with a dot are passed over, as are what DVC and
    `trialforge fetch` write beside a file. Archives in archives are refused; a packed file in an archive, and
    a packed tar, are read.

    Raises:
        IngestError: a folder can't be read.
    """
    for file, name in _find_files(path):
        try:
            with _open_file(file) as raw:
                yield from _open(_Packed(_buffer(raw), name, name, raw))
        except RecordError as error:
            yield Refused(name, name, error)


def _open_file(file: Path) -> io.BufferedReader:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise RecordError("other_file", "no regular file")
        return file.open("rb")
    except OSError as error:
        raise RecordError("unreadable_file", error.strerror or str(error)) from error


def _find_files(path: Path) -> Iterator[tuple[Path, str]]:
    if not path.is_dir():
        yield path, path.name
        return
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        raise IngestError(f"folder {error.filename} can't be read: {error.strerror}") from error

    for place, folders, names in os.walk(path, onerror=refuse, followlinks=True):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".") and not name.endswith(_NOTES)):
            file = Path(place) / name
            yield file, f"{path.name}/{file.relative_to(path).as_posix()}"


def _buffer(
    stream: _Readable, packed: Callable[[], int] | None = None, ratio: int = MAX_RATIO
) -> io.BufferedReader:
    return io.BufferedReader(_Limited(stream, packed, ratio), _BUFFER)


def _open(what: _Packed) -> Iterator[Leaf | Refused]:
    """Yield the leaves of a stream."""
    head = what.stream.peek(_BUFFER)
    packer = next((packer for mark, packer in _PACKERS.items() if head.startswith(mark)), None)
    is_zip, is_tar = head.startswith((b"PK\x03\x04", b"PK\x05\x06")), head[_TAR] == b"ustar"
    if packer and what.layers < _MOST_LAYERS:
        unpack, ratio = packer
        taken = what.packed or (what.file or what.stream).tell
        inner = _buffer(unpack(what.stream), taken, ratio)
        yield from _open(replace(what, stream=inner, file=None, packed=taken, layers=what.layers + 1))
    elif is_zip and what.file:
        yield from _open_zip(what.file, what.origin)
    elif is_tar and what.origin == what.name:
        yield from _open_tar(what.stream, what.origin)
    elif packer or is_zip or is_tar:
        raise RecordError("nested_archive", "an archive in the archive; unpack the outer one")
    else:
        yield Leaf(what.origin, what.name, what.stream)


def _open_zip(file: IO[bytes], origin: str) -> Iterator[Leaf | Refused]:
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise RecordError(
            "damaged_file", f"not a complete zip archive: {error}; download it again"
        ) from error
    if "[Content_Types].xml" in archive.NameToInfo:
        raise RecordError("unknown_form", "an Excel or Word file; save the table as CSV")
    for entry in archive.infolist():
        if entry.is_dir() or _is_hidden(entry.filename):
            continue
        name = f"{origin}/{entry.filename}"
        size = partial(int, entry.compress_size)
        try:
            with _open_member(archive, entry) as member:
                yield from _open(_Packed(_buffer(member, size), origin, name, packed=size, layers=1))
        except RecordError as error:
            yield Refused(origin, name, error)


def _open_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> zipfile.ZipExtFile:
    _check_path(entry.filename)
    if entry.flag_bits & _ENCRYPTED:
        raise RecordError("encrypted", "the member is encrypted")
    try:
        return cast("zipfile.ZipExtFile", archive.open(entry))
    except (*_DAMAGE, OSError) as error:
        raise RecordError("damaged_file", str(error)) from error


def _open_tar(stream: io.BufferedReader, origin: str) -> Iterator[Leaf | Refused]:
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for entry in archive:
                archive.members = []  # type: ignore[attr-defined]  # a stream has no use for its past
                if entry.isdir() or _is_hidden(entry.name):
                    continue
                name = f"{origin}/{entry.name}"
                try:
                    _check_path(entry.name)
                    # Links would lead on to another member, or out of the archive.
                    if entry.isreg() and (member := archive.extractfile(entry)):
                        yield from _open(
                            _Packed(
                                _buffer(cast("io.BufferedReader", member)), origin, name, layers=_MOST_LAYERS
                            )
                        )
                except RecordError as error:
                    yield Refused(origin, name, error)
    except (*_DAMAGE, OSError) as error:
        raise RecordError(
            "damaged_file", f"not a complete tar archive: {error}; download it again"
        ) from error


def _is_hidden(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(".") and not name.startswith("..")


def _check_path(name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise RecordError("zip_slip", "the member's path leads out of the archive")
