"""A stream of JSON text -> the texts of its records, of which only one is held at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from trialforge.ingest.archive import MAX_MEMBER
from trialforge.ingest.raw import RecordError
from trialforge.ingest.strict_json import load_json

LINE_ENDINGS = (".jsonl", ".ndjson")
_STRUCTURE = re.compile(rb'["\[\]{},]')
# A page of the API's answer: an object with a list of studies, before which only plain values stand.
# The group is not possessive: before Python 3.11.5 such a group with a choice in it may fail to match.
_PAGE = re.compile(
    rb'(?:\xef\xbb\xbf)?\s*+\{(?:\s*+"[^"\\]*+"\s*+:\s*+(?:"[^"\\]*+"|[-+.\w]++)\s*+,)*\s*+"studies"\s*+:\s*+(?=\[)'
)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def split_records(chunks: Iterable[bytes], name: str) -> Iterator[tuple[int, bytes]]:
    """Yield each line of a `.jsonl`, each item of a list, or the whole of any other JSON text.

    With each comes its number, from 1; empty lines count, and are left out.

    Raises:
        RecordError: what follows can't be parted: a list breaks off, or one record is over 32 MiB.
    """
    if name.lower().endswith(LINE_ENDINGS):
        return ((number, line) for number, line in enumerate(_split_lines(chunks), 1) if line.strip())
    chunks = iter(chunks)
    head = b""
    while not head.strip() and (chunk := next(chunks, b"")):
        head = chunk
    whole = chain([head.removeprefix(b"\xef\xbb\xbf")], chunks)
    is_list = head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    return enumerate(_split_list(whole, _check_end) if is_list else [_join(whole)], 1)


def split_page(text: bytes) -> Iterator[bytes] | None:
    """Return the items of a page's list of studies, or None where the text is no page.

    Raises:
        RecordError: the list breaks off, or what stands around it is no JSON.
    """
    head = _PAGE.match(text)
    if not head:
        return None

    def check_rest(rest: bytes, _: Iterable[bytes]) -> None:
        load_json(head.group() + b"[]" + rest)

    return _split_list([text[head.end() :]], check_rest)


def _join(chunks: Iterable[bytes]) -> bytes:
    text = bytearray()
    for chunk in chunks:
        text += chunk
        _check_size(len(text))
    return bytes(text)


def _check_size(size: int) -> None:
    if size > MAX_MEMBER:
        raise RecordError("too-large", f"one record of over {MAX_MEMBER} bytes")


def _split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        _check_size(len(rest))
    yield rest


def _split_list(
    chunks: Iterable[bytes], check_rest: Callable[[bytes, Iterable[bytes]], None]
) -> Iterator[bytes]:
    text = bytearray()
    depth = position = start = 0
    for chunk in chunks:
        text += chunk
        while found := _STRUCTURE.search(text, position):
            mark = found.group()
            position = found.end()
            if mark == b'"':
                string = _STRING.match(text, found.start())
                if not string:  # it goes on in the next chunk
                    position = found.start()
                    break
                position = string.end()
            elif mark in b"[{":
                depth += 1
                start = position if depth == 1 else start
            elif depth == 1 and mark in b",]":
                item = bytes(text[start : found.start()])
                if item.strip() or mark == b",":
                    yield item
                if mark == b"]":
                    check_rest(bytes(text[position:]), chunks)
                    return
                start = position
            elif mark in b"]}":
                depth -= 1
        else:
            position = len(text)
        del text[:start]
        position -= start
        start = 0
        _check_size(len(text))
    raise RecordError("malformed-json", "the list breaks off within a record")


def _check_end(rest: bytes, chunks: Iterable[bytes]) -> None:
    if rest.strip() or any(chunk.strip() for chunk in chunks):
        raise RecordError("malformed-json", "text follows the end of the list")
