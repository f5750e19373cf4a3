"""Registry records, wherever they lie: a folder, a zip, a JSON, JSONL or gz file; one `Found` each.

What is found is small and can be sent to a worker process, which reads it: `read` gives its bytes.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trialforge.core.errors import IngestError, ParameterError
from trialforge.ingest import archive
from trialforge.ingest.raw import RecordError

CHUNK_RECORDS = 512
CHUNK_BYTES = 8 * 1024 * 1024
_CHUNK = 1024 * 1024
_GZIP = 31  # zlib's code for the gzip format


@dataclass(frozen=True, slots=True)
class Found:
    """A record to read, or the reason why it will not be.

    Attributes:
        file: the source's file, without the folders above it, and the member in it.
        size: how many bytes it keeps in memory now.
    """

    file: str
    path: Path | None = None
    packed: bytes | None = None
    method: int = 0
    checksum: int | None = None
    refusal: tuple[str, str] | None = None

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory."""
        return len(self.packed or b"")

    def read(self) -> bytes:
        """Return the record's bytes.

        Raises:
            RecordError: it can't be read, is too large or was refused when it was found.
        """
        if self.refusal:
            raise RecordError(*self.refusal)
        if self.path:
            return _read_file(self.path)
        if self.packed is None:
            raise RecordError("damaged-member", "nothing to read")
        if self.checksum is None:
            return self.packed
        return archive.unpack(self.packed, self.method, self.checksum)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(archive.MAX_MEMBER + 1)
    except OSError as error:
        raise RecordError("unreadable-file", error.strerror or str(error)) from error
    if len(data) > archive.MAX_MEMBER:
        raise RecordError("too-large", f"over {archive.MAX_MEMBER} bytes")
    return data


def find_in_zip(path: Path, endings: tuple[str, ...]) -> Iterator[Found]:
    """Yield each member of a zip archive; what has none of the endings is refused.

    Raises:
        IngestError: the file is no zip archive.
    """
    with path.open("rb") as entries, path.open("rb") as data:
        for member in archive.read_members(entries, path):
            if member.is_folder:
                continue
            file = f"{path.name}/{member.name}"
            try:
                archive.check_member(member, endings)
                packed = archive.read_packed(data, member)
            except RecordError as error:
                yield Found(file, refusal=(error.reason, error.detail))
            else:
                yield Found(file, packed=packed, method=member.method, checksum=member.checksum)


def find_in_folder(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and those below it, in order of name.

    Raises:
        IngestError: a folder can't be read.
    """
    for place, folders, names in os.walk(folder, onerror=_refuse_folder):
        folders.sort()
        for name in sorted(names):
            yield Path(place) / name


def _refuse_folder(error: OSError) -> None:
    raise IngestError(f"folder {error.filename} can't be read: {error.strerror}") from error


def read_chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, unpacked where it is a `.gz`, a mebibyte at a time.

    Raises:
        RecordError: it can't be read, is damaged, or unpacks to over 200 times its size.
    """
    try:
        with path.open("rb") as file:
            packed = iter(lambda: file.read(_CHUNK), b"")
            yield from _gunzip(packed) if path.suffix.lower() == ".gz" else packed
    except OSError as error:
        raise RecordError("unreadable-file", error.strerror or str(error)) from error


def _gunzip(packed: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack one gzip file, or several that follow each other; what comes before a fault is given."""
    taken = given = 0
    engine = zlib.decompressobj(_GZIP)
    try:
        for data in packed:
            taken += len(data)
            rest = data
            while rest:
                if engine.eof:
                    engine = zlib.decompressobj(_GZIP)
                chunk = engine.decompress(rest, _CHUNK)
                given += len(chunk)
                if given > max(_CHUNK, archive.MAX_RATIO * taken):
                    raise RecordError("zip-bomb", f"it unpacks to over {archive.MAX_RATIO} times its size")
                yield chunk
                rest = engine.unused_data if engine.eof else engine.unconsumed_tail
    except zlib.error as error:
        raise RecordError("damaged-file", str(error)) from error
    if not engine.eof:
        raise RecordError("damaged-file", "it breaks off")


def chunk(found: Iterable[Found]) -> Iterator[list[Found]]:
    """Yield records in lists that are large enough to be worth sending and small enough for memory."""
    records: list[Found] = []
    size = 0
    for one in found:
        records.append(one)
        size += one.size
        if len(records) >= CHUNK_RECORDS or size >= CHUNK_BYTES:
            yield records
            records, size = [], 0
    if records:
        yield records


def check_source(path: str | None, source: str) -> Path:
    """Return the path of the registry's records.

    Raises:
        ParameterError: there is none, or nothing lies there.
    """
    if not path:
        raise ParameterError(
            f"`ingest.path` is empty, but {source} records are the user's own files",
            hint=f"dvc exp run -S ingest.source={source} -S ingest.path=PATH",
        )
    if not Path(path).exists():
        raise ParameterError(f"`ingest.path`: no file or folder {path}")
    return Path(path)
