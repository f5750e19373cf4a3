"""Delimited text, as AACT's tables and the registry's CSV export: a file of any size -> tables of strings."""

from __future__ import annotations

import codecs
import csv
import io
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import polars as pl
from polars.exceptions import PolarsError

from trialforge.ingest.json_stream import find_encoding
from trialforge.ingest.raw import MAX_RECORD

T = TypeVar("T")
_SEPARATORS = ("|", "\t", ",", ";")
_ROWS = 20_000  # of a batch
_CHUNK = 1024 * 1024
# An empty line or row, or the line by which a spreadsheet is told the separator.
_BEFORE_HEADER = re.compile(r'(?i)(?:"?sep=[,;|\t]"?)?[\s,;|]*')
_LINE_END = re.compile(r"\r\n?|\n")


class Header(NamedTuple):
    """The line of a table that names its columns.

    Attributes:
        separator: what parts its cells.
        columns: the names of the columns, as `nct_id` is written.
        skip: how many lines come before it.
    """

    separator: str
    columns: tuple[str, ...]
    skip: int = 0


def read_header(head: bytes) -> Header | None:
    """Return the header of a text that looks like a table, None where it has only one column."""
    text = head.decode(find_encoding(head) or "utf-8-sig", errors="replace")
    lines = _LINE_END.split(text.lstrip("\ufeff"))
    skip = next((place for place, line in enumerate(lines) if not _BEFORE_HEADER.fullmatch(line)), 0)
    found = [Header(separator, _split_names(lines[skip], separator), skip) for separator in _SEPARATORS]
    best = max(found, key=lambda header: len(header.columns))
    return best if len(best.columns) > 1 else None


def _split_names(line: str, separator: str) -> tuple[str, ...]:
    try:
        cells = next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return ()
    return tuple("_".join(cell.lower().replace("/", " ").split()) for cell in cells)


def spool(stream: io.BufferedReader, path: Path) -> None:
    """Write a text to a file of its own as UTF-8; what is no UTF-8 is taken for Windows' western code page.

    Lines that end in a carriage return alone get a line feed in its place.

    Raises:
        RecordError: the stream can't be read.
    """
    encoding = find_encoding(stream.peek(4))
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("wb") as file:
        while chunk := stream.read1(_CHUNK):
            file.write(chunk)
            if encoding is None:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    encoding = "cp1252"
    if encoding:
        wide = path.rename(path.with_suffix(".wide"))
        with (
            wide.open(encoding=encoding, errors="replace", newline="") as source,
            path.open("w", encoding="utf-8", newline="") as target,
        ):
            shutil.copyfileobj(source, target, _CHUNK)
        wide.unlink()
    if not any(b"\n" in chunk for chunk in _read_chunks(path)):
        old = path.rename(path.with_suffix(".old"))
        with path.open("wb") as target:
            target.writelines(chunk.replace(b"\r", b"\n") for chunk in _read_chunks(old))
        old.unlink()


def _read_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(partial(file.read, _CHUNK), b"")


def read_table(
    path: Path, header: Header, take: Callable[[Iterator[pl.DataFrame]], T]
) -> tuple[T, list[tuple[int, str]]]:
    """Return what `take` makes of a table in UTF-8, and the line and the fault of each row that is left out.

    It gets the rows in batches, every value as a string; perhaps a second time, from the first on.
    """
    try:
        return take(_read_fast(path, header)), []
    except PolarsError:  # a row with too many fields, or a quote that is not closed
        bad: list[tuple[int, str]] = []
        return take(_read_row_by_row(path, header, bad)), bad


def read_rows(rows: Path | pl.DataFrame) -> pl.DataFrame:
    """Return rows that a piece of work has, or names the Arrow file of."""
    return pl.read_ipc(rows) if isinstance(rows, Path) else rows


def write_rows(folder: Path, numbered: Iterable[tuple[int, pl.DataFrame]]) -> dict[int, list[Path]]:
    """Write rows as Arrow files in a folder, and return the files of each number in order."""
    folder.mkdir(exist_ok=True)
    written: dict[int, list[Path]] = {}
    for count, (number, rows) in enumerate(numbered):
        path = folder / f"{count}.arrow"
        rows.write_ipc(path)
        written.setdefault(number, []).append(path)
    return written


def _read_fast(path: Path, header: Header) -> Iterator[pl.DataFrame]:
    with path.open("rb") as file:
        if not any(islice(file, header.skip + 1, None)):
            return
    table = pl.scan_csv(
        path,
        separator=header.separator,
        infer_schema=False,
        new_columns=_unique_names(header.columns),
        skip_lines=header.skip,
    )
    yield from table.collect_batches(chunk_size=_ROWS)


def _read_row_by_row(path: Path, header: Header, bad: list[tuple[int, str]]) -> Iterator[pl.DataFrame]:
    schema = dict.fromkeys(_unique_names(header.columns), pl.String())
    with path.open(encoding="utf-8-sig", newline="") as file:
        csv.field_size_limit(MAX_RECORD)
        rows = csv.reader(file, delimiter=header.separator, strict=True)
        for _ in range(header.skip + 1):
            next(rows)
        whole = _whole_rows(rows, len(schema), bad)
        while batch := list(islice(whole, _ROWS)):
            yield pl.DataFrame(batch, schema=schema, orient="row")


def _whole_rows(rows: Any, width: int, bad: list[tuple[int, str]]) -> Iterator[list[str | None]]:
    """Yield the rows of a csv.reader that have the right number of fields, empty ones as null."""
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            bad.append(
                (line, f"{error}; what follows it on the same line, or to the end of the file, is lost")
            )
            continue
        if len(row) == width:
            yield [cell or None for cell in row]
        elif row:
            bad.append((line, f"{len(row)} fields, and the header has {width}"))


def _unique_names(columns: Sequence[str]) -> list[str]:
    """Return names of columns of which no two are the same, as a table must have."""
    return [f"{name}:{place}" if name in columns[:place] else name for place, name in enumerate(columns)]
