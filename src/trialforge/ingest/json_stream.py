"""A stream of JSON in any arrangement -> the texts of its studies, of which only one is held at a time.

A study is an object with a `protocolSection`, wherever it stands: alone, in a list, in a page of the API,
under its id, one a line or one after another. What is cut or broken costs that study alone.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

from trialforge.ingest.raw import MAX_RECORD, RecordError
from trialforge.trial.registry_ids import NCT_ID

_STRING = rb'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"'
# No possessive group with a choice in it: before Python 3.11.5 such a group may fail to match.
_TOKEN = re.compile(rb"(?:(" + _STRING + rb")(\s*+:)?)|[\[\]{},]|\"")
_NO_BRACKET = re.compile(rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+')
_STUDY = re.compile(rb'\{\s*+"protocolSection"\s*+:')
_FRESH_START = re.compile(rb'\{\s*+"protocolSection"\s*+:|(?<=\n)[\[{]')
_AHEAD = 64
_OPENING = (b"{", b"[", b"<")
_SPACE = b" \t\r\n,"
_NCT_ID = re.compile(f'"{NCT_ID}"'.encode())


@dataclass(slots=True)
class _Frame:
    """An open object or list around studies.

    Attributes:
        start: where it starts.
        is_list: whether it is a list.
        records: whether what stands in it should be a study, so that anything else is told of.
        told: whether a study was found in it, or it need not be told of if none is.
        key: the last key of an object.
    """

    start: int
    is_list: bool
    records: bool
    told: bool
    key: bytes = b""


def split_studies(chunks: Iterable[bytes]) -> Iterator[bytes | RecordError]:
    """Yield the text of each study, and of what stands in the place of one; an error where one is too large.

    Raises:
        RecordError: the stream can't be read on.
    """
    splitter = _Splitter()
    for chunk in _as_utf8(chunks):
        yield from splitter.feed(chunk)
    yield from splitter.feed(b"", final=True)
    yield from splitter.rest()


def _as_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks as UTF-8 without a mark; UTF-16 and UTF-32 are known by their mark or their zeros."""
    chunks = iter(chunks)
    head = next(chunks, b"")
    while len(head) < 4 and (chunk := next(chunks, b"")):
        head += chunk
    encoding = find_encoding(head)
    if not encoding:
        yield head.removeprefix(codecs.BOM_UTF8)
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        yield decoder.decode(head).removeprefix("\ufeff").encode()
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise RecordError("wrong_encoding", str(error)) from error


def find_encoding(head: bytes) -> str | None:
    """Return the encoding of a text whose code units have two or four bytes; None for others."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head[:1] in _OPENING and head[1:2] == b"\0":
        return "utf-16-le"
    if head[:1] == b"\0" and head[1:2] in _OPENING:
        return "utf-16-be"
    return None


class _Splitter:
    """Holds the text from the first place that may still be needed."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._position = 0
        self._frames: list[_Frame] = []
        self._study: int | None = None  # where the open study starts
        self._depth = 0  # in the open study
        self._after = 0  # where the last token ended
        self._torn = False  # after a break: brackets may close what was let go
        self._lost = False  # until the next study starts
        self._ahead = _AHEAD  # bytes that must follow a token before it is judged

    def feed(self, chunk: bytes, *, final: bool = False) -> Iterator[bytes | RecordError]:
        """Take the next piece of the text, and yield what it completes."""
        self._text += chunk
        self._ahead = 0 if final else _AHEAD
        found = True
        while found:
            if self._lost:
                found = self._find_start()
            elif self._study is None:
                found = yield from self._read_around()
            else:
                found = yield from self._read_study()
        yield from self._let_go()

    def rest(self) -> Iterator[bytes | RecordError]:
        """Yield what the text breaks off in."""
        if self._study is not None:
            yield bytes(self._text[self._study :])
        elif (start := self._untold()) is not None:
            yield bytes(self._text[start:])
        elif self._frames:
            yield RecordError("malformed_json", "the text breaks off")
        elif not self._lost and (rest := bytes(self._text[self._after :]).strip(_SPACE)):
            yield rest

    def _untold(self) -> int | None:
        return next((frame.start for frame in self._frames if not frame.told), None)

    def _read_study(self) -> Generator[bytes, None, bool]:
        """Read to the end of the open study; return whether it was found."""
        text = self._text
        start = self._study or 0
        while True:
            run = _NO_BRACKET.match(text, self._position)
            end = run.end() if run else self._position
            if end >= len(text):
                return False
            mark = text[end : end + 1]
            if mark == b'"':  # a string that is cut at a line's end, or that goes on in the next chunk
                line = text.find(b"\n", end)
                if line < 0:
                    return False
                yield bytes(text[start:line])
                self._break_off(line)
                return True
            if mark == b"{" and _STUDY.match(text, end):
                yield bytes(text[start:end])
                self._break_off(end)
                return True
            if mark == b"{" and len(text) - end < self._ahead:
                return False  # whether it is another study can't be told yet
            self._depth += 1 if mark in b"[{" else -1
            self._position = end + 1
            if self._depth == 0:
                yield bytes(text[start : end + 1])
                self._study = None
                self._after = end + 1
                return True

    def _read_around(self) -> Generator[bytes, None, bool]:
        """Read to the start of the next study; return whether it was found."""
        text = self._text
        while token := _TOKEN.search(text, self._position):
            mark = token.group()[:1]
            if mark == b'"' and (not token.group(1) or token.end() > len(text) - self._ahead):
                if token.group(1) or text.find(b"\n", token.start()) < 0:
                    return False
                line = text.find(b"\n", token.start())
                start = self._untold()
                yield bytes(text[token.start() if start is None else start : line])
                self._break_off(line)
                return True
            inner = self._frames[-1] if self._frames else None
            if (inner is None or (inner.is_list and inner.records)) and (
                stray := bytes(text[self._after : token.start()]).strip(_SPACE)
            ):
                yield stray
            self._position = self._after = token.end()
            if mark == b'"':
                if inner is None or (inner.is_list and inner.records):
                    yield token.group(1)
                elif not inner.is_list and token.group(2):
                    inner.key = token.group(1)
                    if inner.key == b'"protocolSection"':
                        self._open_study(inner)
                        return True
            elif mark in b"[{":
                self._open(mark == b"[", token.start())
            elif mark in b"]}":
                yield from self._close(token.end())
        return False

    def _open(self, is_list: bool, start: int) -> None:
        outer = self._frames[-1] if self._frames else None
        if outer is None:
            expected = True
        elif outer.is_list:
            expected = outer.records
        else:
            pages = is_list and outer.key == b'"studies"'
            outer.told = outer.told or pages
            expected = pages or bool(_NCT_ID.fullmatch(outer.key))
        self._frames.append(_Frame(start, is_list, expected, told=is_list or not expected))

    def _close(self, end: int) -> Iterator[bytes]:
        if self._frames:
            frame = self._frames.pop()
            if not frame.told:
                yield bytes(self._text[frame.start : end])
                for outer in self._frames:
                    outer.told = True
        elif not self._torn:
            yield bytes(self._text[end - 1 : end])

    def _open_study(self, frame: _Frame) -> None:
        self._study = frame.start
        self._depth = 1
        self._frames.pop()
        for outer in self._frames:
            outer.told = True

    def _break_off(self, position: int) -> None:
        """Let go of what is open, and look for the next study from a position on."""
        self._frames.clear()
        self._study, self._depth, self._torn, self._lost = None, 0, True, True
        self._position = self._after = position

    def _find_start(self) -> bool:
        found = _FRESH_START.search(self._text, self._position)
        if found:
            self._position = self._after = found.start()
            self._lost = False
            return True
        self._position = self._after = max(self._position, len(self._text) - _AHEAD)
        return False

    def _let_go(self) -> Iterator[RecordError]:
        """Drop the text that nothing needs any more; a record that is too large is given up."""
        needed = min(
            start for start in (self._position, self._after, self._untold(), self._study) if start is not None
        )
        if len(self._text) - needed > MAX_RECORD:
            yield RecordError("too_large", f"one record of over {MAX_RECORD} bytes")
            self._break_off(max(self._position, len(self._text) - _AHEAD))
            needed = self._position
        del self._text[:needed]
        self._position -= needed
        self._after -= needed
        self._study = None if self._study is None else self._study - needed
        for frame in self._frames:
            frame.start -= needed
