"""The source of registry records: all that lies in a folder or file, in whatever form each file is."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

import polars as pl

from trialforge.core.errors import IngestError
from trialforge.core.pieces import map_in_order, shared_files, uses_cluster
from trialforge.ingest.aact import Snapshot, split_snapshot
from trialforge.ingest.containers import Leaf, Refused, walk
from trialforge.ingest.ctgov_csv import Export
from trialforge.ingest.ctgov_json import load_json, parse_study, study_id
from trialforge.ingest.ctgov_xml import parse_xml
from trialforge.ingest.forms import find_form, table_name
from trialforge.ingest.json_stream import split_studies
from trialforge.ingest.raw import MAX_RECORD, RawTrial, RecordError, tabulate
from trialforge.ingest.source import BATCH_SCHEMA, REFUSED_SCHEMA, Batch, FileTally, Prepare, leave_batch
from trialforge.ingest.tables import read_header, spool
from trialforge.ingest.typed import build_batch

CHUNK_RECORDS = 512
CHUNK_BYTES = 8 * 1024 * 1024
_READ = 1024 * 1024
# Reasons for which a file that has no trial stops nothing: it is no file of trials, it has
# none, or it is one bad record.
_HARMLESS = {"other_file", "other_registry", "no_trial"}
_ONE_BAD_RECORD = {
    "malformed_xml", "malformed_json", "doctype", "nesting", "huge_field", "too_large", "missing_id",
    "bad_id", "wrong_type", "wrong_encoding", "lone_surrogate", "not_a_number",
}  # fmt: skip
_KNOWN_FORMS = "legacy XML, JSON of API v2, AACT's tables, and the registry's CSV export"


class Piece(Protocol):
    """Some records, small enough for memory, that a process or a machine is sent to read."""

    def carry(self) -> Piece:
        """Return the same with all that it reads in it, so that it can be read on another machine."""
        ...

    def read(self) -> Batch:
        """Return the trials, and what became of the records of each file."""
        ...


class Found(NamedTuple):
    """One record as bytes, or why it can't be read.

    Attributes:
        origin: the file on the disk.
        name: the file, the member in it, and the number of the record in that.
        form: `xml`, or `json` for a study of API v2.
        content: the bytes, or what was wrong.
    """

    origin: str
    name: str
    form: str
    content: bytes | RecordError


class RegistrySource:
    """Records of the registry in any form, in a file or in a folder and those below it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def batches(self, prepare: Prepare = leave_batch) -> Iterator[Batch]:
        """Yield the trials of all records: XML and JSON in the order of their files, then the tables.

        Raises:
            IngestError: there is no trial at all, or nothing could be read of one of the files.
        """
        files: dict[str, FileTally] = {}
        shared = shared_files() if uses_cluster() else None
        with tempfile.TemporaryDirectory(prefix="trialforge-", dir=shared) as spool:
            pieces = _find_pieces(self._path, Path(spool))
            if uses_cluster() and not shared:
                pieces = (piece.carry() for piece in pieces)
            for batch in map_in_order(partial(read_piece, prepare), pieces):
                for origin, tally in batch.read.items():
                    files.setdefault(origin, FileTally()).add(tally)
                yield batch
        _check_files(self._path, files)


def read_piece(prepare: Prepare, piece: Piece) -> Batch:
    """Return the prepared trials of a piece; what became of each file is counted before that."""
    batch = piece.read()
    return replace(prepare(batch), read=batch.read, lacks=batch.lacks)


def _check_files(path: Path, files: Mapping[str, FileTally]) -> None:
    """Raise an error where a file gave nothing that it should have given."""
    for origin, tally in files.items():
        if tally.trials or not tally.refused or tally.refused.keys() <= _HARMLESS:
            continue
        if tally.refused.total() == 1 and tally.refused.keys() <= _ONE_BAD_RECORD and len(files) > 1:
            continue
        count = tally.refused.total()
        records = "" if count == 1 else f" (and {count - 1} more)"
        raise IngestError(
            f"nothing can be read from {origin}: {tally.first}{records}",
            hint=f"fix it{f', or move it out of {path}' if path.is_dir() else ''}; known are {_KNOWN_FORMS}",
        )
    if not sum(tally.trials for tally in files.values()):
        said = "; ".join(
            f"{origin}: {tally.first}" for origin, tally in list(files.items())[:3] if tally.first
        )
        raise IngestError(
            f"no trial in {path}" + (f": {said}" if said else ", which has no files"),
            hint=f"put {_KNOWN_FORMS} there, or download trials with `trialforge fetch`",
        )


@dataclass(slots=True)
class _Tables:
    """The tables that were found; they are read last, as rows of one trial may lie in several."""

    folder: Path
    exports: list[Export] = field(default_factory=list)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    count: int = 0

    def take(self, leaf: Leaf, form: str) -> None:
        """Write the table of a leaf to a file of its own."""
        header = read_header(leaf.head)
        if header is None:
            raise RecordError("unknown_form", "a table of one column")
        self.count += 1
        path = self.folder / f"{self.count}.txt"
        spool(leaf.stream, path)
        if form == "csv":
            self.exports.append(Export(leaf.origin, leaf.name, header, path))
            return
        group = str(PurePosixPath(leaf.name).parent)
        snapshot = self.snapshots.setdefault(group, Snapshot(leaf.origin, group))
        snapshot.tables[table_name(leaf.name)] = (header, path)


def _find_pieces(path: Path, folder: Path) -> Iterator[Piece]:
    tables = _Tables(folder)
    yield from chunk(_find_records(path, tables))
    for number, export in enumerate(tables.exports):
        yield from export.split(folder / f"export-{number}")
    for number, snapshot in enumerate(tables.snapshots.values()):
        try:
            yield from split_snapshot(snapshot, folder / f"snapshot-{number}")
        except RecordError as error:
            yield Chunk([Found(snapshot.origin, snapshot.name, "", error)])


def _find_records(path: Path, tables: _Tables) -> Iterator[Found]:
    """Yield the records that are a text each, and give the tables to `tables`."""
    for leaf in walk(path):
        if isinstance(leaf, Refused):
            yield Found(leaf.origin, leaf.name, "", leaf.error)
            continue
        count = 0
        try:
            form = find_form(leaf.head, leaf.name)
            if form == "xml":
                yield Found(leaf.origin, leaf.name, form, _read_whole(leaf))
            elif form == "json":
                chunks = iter(partial(leaf.stream.read1, _READ), b"")
                for count, text in enumerate(split_studies(chunks), start=1):
                    yield Found(leaf.origin, f"{leaf.name}:{count}", form, text)
                if not count:
                    nothing = RecordError("no_trial", "JSON without a study")
                    yield Found(leaf.origin, leaf.name, "", nothing)
            else:
                tables.take(leaf, form)
        except RecordError as error:
            name = f"{leaf.name}:{count + 1}" if count else leaf.name
            lost = (
                RecordError(error.reason, f"{error.detail}; the rest of the file is lost") if count else error
            )
            yield Found(leaf.origin, name, "", lost)


def _read_whole(leaf: Leaf) -> bytes:
    data = leaf.stream.read(MAX_RECORD + 1)
    if len(data) > MAX_RECORD:
        raise RecordError("too_large", f"one record of over {MAX_RECORD} bytes")
    return data


def chunk(found: Iterable[Found]) -> Iterator[Chunk]:
    """Yield records in chunks that are large enough to be worth sending and small enough for memory."""
    records: list[Found] = []
    size = 0
    for one in found:
        records.append(one)
        size += len(one.content) if isinstance(one.content, bytes) else 0
        if len(records) >= CHUNK_RECORDS or size >= CHUNK_BYTES:
            yield Chunk(records)
            records, size = [], 0
    if records:
        yield Chunk(records)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of XML and JSON."""

    records: list[Found]

    def carry(self) -> Chunk:
        """Return the same: it has its records."""
        return self

    def read(self) -> Batch:
        """Return the trials, those of XML first."""
        refused: list[tuple[str, str, str, str]] = []
        raws: dict[str, list[tuple[RawTrial, str]]] = {"xml": [], "json": []}
        for record in self.records:
            study = None
            try:
                if isinstance(record.content, RecordError):
                    raise record.content
                if record.form == "xml":
                    raw = parse_xml(record.content)
                else:
                    study = load_json(record.content)
                    raw = parse_study(study)
            except RecordError as error:
                refused.append((record.name, study_id(study), error.reason, error.detail))
            else:
                raws[record.form].append((raw, record.name))
        batches = [
            build_batch(tabulate(*zip(*some, strict=True)), f"ctgov-{form}", markdown=form == "json")
            for form, some in raws.items()
            if some
        ]
        rows = pl.DataFrame(refused, schema=REFUSED_SCHEMA, orient="row")
        batch = Batch(
            pl.concat([pl.DataFrame(schema=BATCH_SCHEMA), *(batch.trials for batch in batches)]),
            pl.concat([rows, *(batch.refused for batch in batches)]),
        )
        return replace(batch, read=self._tally(batch))

    def _tally(self, batch: Batch) -> dict[str, FileTally]:
        origins = {record.name: record.origin for record in self.records}
        files: dict[str, FileTally] = {}
        for name in batch.trials["file"]:
            files.setdefault(origins[name], FileTally()).add(FileTally(1))
        for name, _, reason, detail in batch.refused.rows():
            files.setdefault(origins[name], FileTally()).add(
                FileTally(0, Counter([reason]), detail if name == origins[name] else f"{name}: {detail}")
            )
        return files
