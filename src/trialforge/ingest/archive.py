"""Zip archives, member by member, without trust: nothing is extracted, and no stated size is believed.

The directory of an archive is read as a stream: the registry's full download has 550,000 members,
whose entries alone would fill memory.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from trialforge.core.errors import IngestError
from trialforge.ingest.raw import RecordError

MAX_MEMBER = 32 * 1024 * 1024
MAX_RATIO = 200
# A small member may be blank paper: below this size no ratio is suspicious.
_RATIO_FROM = 64 * 1024

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8 = 0x800
_FARTHEST = 2**62  # what a file can be asked to seek to; an offset is any 64-bit number


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of the archive's directory."""

    name: str
    flags: int
    method: int
    checksum: int
    packed_size: int
    offset: int

    @property
    def is_folder(self) -> bool:
        """Whether the entry only names a folder."""
        return self.name.endswith("/")


def read_members(file: BinaryIO, path: Path) -> Iterator[Member]:
    """Yield the entries of a zip archive in the order of its directory.

    Raises:
        IngestError: the file is no zip archive, or its directory is damaged.
    """
    start, count, shift = _find_directory(file, path)
    position = start
    for _ in range(count):
        file.seek(position)
        head = file.read(_ENTRY.size)
        if len(head) < _ENTRY.size or not head.startswith(b"PK\x01\x02"):
            raise _damaged(path, f"its directory breaks off at byte {position}")
        (_, _, _, flags, method, _, _, checksum, packed, size, name_size, extra_size, comment_size, *rest) = (
            _ENTRY.unpack(head)
        )
        offset = rest[-1]
        name = file.read(name_size)
        extra = file.read(extra_size)
        position += _ENTRY.size + name_size + extra_size + comment_size
        packed, offset = _wide_sizes(extra, size, packed, offset)
        text = name.decode("utf-8" if flags & _UTF8 else "cp437", errors="replace")
        yield Member(text, flags, method, checksum, packed, offset + shift)


def _find_directory(file: BinaryIO, path: Path) -> tuple[int, int, int]:
    """Return where the directory starts, its number of entries, and by how much offsets are shifted."""
    size = file.seek(0, 2)
    tail_start = max(0, size - _END.size - 0xFFFF)
    file.seek(tail_start)
    tail = file.read()
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or len(tail) - found < _END.size:
        raise _damaged(path, "it has no end record; the download may have been cut off")
    end = tail_start + found
    _, _, _, _, count, length, offset, _ = _END.unpack_from(tail, found)
    if end >= _END64_LOCATOR.size:
        file.seek(end - _END64_LOCATOR.size)
        mark, _, at, _ = _END64_LOCATOR.unpack(file.read(_END64_LOCATOR.size))
        if mark == b"PK\x06\x07":
            file.seek(min(at, end))
            wide = file.read(_END64.size)
            if len(wide) < _END64.size or not wide.startswith(b"PK\x06\x06"):
                raise _damaged(path, "its 64-bit end record is not where it should be")
            count, length, offset = _END64.unpack(wide)[-3:]
            end = at
    start = end - length
    if start < 0 or start < offset:
        raise _damaged(path, "its directory is not where its end record says")
    return start, count, start - offset


def _wide_sizes(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int]:
    """Return packed size and offset, from the 64-bit extra field where the entry has no room for them."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            numbers = iter(struct.unpack_from(f"<{length // 8}Q", extra[position + 4 :].ljust(length, b"\0")))
            if size == 0xFFFFFFFF:
                next(numbers, None)
            if packed == 0xFFFFFFFF:
                packed = next(numbers, packed)
            if offset == 0xFFFFFFFF:
                offset = next(numbers, offset)
        position += 4 + length
    return packed, offset


def _damaged(path: Path, what: str) -> IngestError:
    return IngestError(f"{path} is no whole zip archive: {what}", hint="download it again")


def check_member(member: Member, endings: tuple[str, ...]) -> None:
    """Refuse a member by what the directory says of it.

    Raises:
        RecordError: its path leaves the archive, it is encrypted or nested, packed in a way unknown here,
            or its name has none of the endings.
    """
    parts = member.name.replace("\\", "/").split("/")
    if member.name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in member.name:
        raise RecordError("zip-slip", "the member's path leads out of the archive")
    if member.flags & _ENCRYPTED:
        raise RecordError("encrypted", "the member is encrypted")
    if member.name.lower().endswith((".zip", ".7z", ".tar", ".tgz", ".rar")):
        raise RecordError("nested-archive", "an archive in the archive")
    check_ending(member.name, endings)
    if member.method not in (_STORED, _DEFLATED):
        raise RecordError(
            "unknown-packing", f"packed by method {member.method}; stored and deflated are known"
        )
    if member.packed_size > MAX_MEMBER:
        raise RecordError("too-large", f"{member.packed_size} packed bytes; at most {MAX_MEMBER} are read")


def check_ending(name: str, endings: tuple[str, ...]) -> None:
    """Refuse a file that is of another kind.

    Raises:
        RecordError: its name has none of the endings.
    """
    if not name.lower().endswith(endings):
        raise RecordError("other-file", f"not one of {', '.join(endings)}")


def read_packed(file: BinaryIO, member: Member) -> bytes:
    """Return the packed bytes of a member.

    Raises:
        RecordError: its local header or its bytes are not there.
    """
    file.seek(min(member.offset, _FARTHEST))
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(b"PK\x03\x04"):
        raise RecordError("damaged-member", "no local header where the directory says")
    name_size, extra_size = _LOCAL.unpack(head)[-2:]
    file.seek(name_size + extra_size, 1)
    packed = file.read(member.packed_size)
    if len(packed) < member.packed_size:
        raise RecordError("damaged-member", "the archive ends within the member")
    return packed


def unpack(packed: bytes, method: int, checksum: int) -> bytes:
    """Return the bytes of a member; never more of them than the limits allow.

    Raises:
        RecordError: over 32 MiB, over 200 times the packed size, damaged, or an archive itself.
    """
    data = inflate(packed, wbits=-15) if method == _DEFLATED else packed
    if zlib.crc32(data) != checksum:
        raise RecordError("damaged-member", "its checksum does not fit its bytes")
    if data.startswith(b"PK\x03\x04"):
        raise RecordError("nested-archive", "an archive in the archive")
    return data


def inflate(packed: bytes, wbits: int) -> bytes:
    """Return inflated bytes, stopping at the limits (`wbits` -15: raw deflate, 31: gzip).

    Raises:
        RecordError: over 32 MiB, over 200 times the packed size, or damaged.
    """
    allowed = min(MAX_MEMBER, max(_RATIO_FROM, len(packed) * MAX_RATIO))
    engine = zlib.decompressobj(wbits)
    try:
        data = engine.decompress(packed, allowed + 1)
    except zlib.error as error:
        raise RecordError("damaged-member", f"it can't be inflated: {error}") from error
    if len(data) > allowed:
        reason = "too-large" if allowed == MAX_MEMBER else "zip-bomb"
        raise RecordError(reason, f"over {allowed} bytes out of {len(packed)}")
    if not engine.eof:
        raise RecordError("damaged-member", "it breaks off")
    return data
