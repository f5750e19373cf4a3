"""The sources that read registry records: the legacy XML, and studies of API v2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import polars as pl

from trialforge.core.errors import IngestError
from trialforge.ingest import archive
from trialforge.ingest.ctgov_json import parse_study, study_id
from trialforge.ingest.ctgov_xml import parse_xml
from trialforge.ingest.pool import map_in_order
from trialforge.ingest.raw import RawTrial, RecordError
from trialforge.ingest.records import Found, chunk, find_in_folder, find_in_zip, read_chunks
from trialforge.ingest.source import REFUSED_SCHEMA, Batch, Prepare, leave_batch
from trialforge.ingest.split_json import split_page, split_records
from trialforge.ingest.strict_json import load_json
from trialforge.ingest.typed import build_batch
from trialforge.trial.record import Source as SourceName

_XML = (".xml",)
_JSON = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")


class _Read(NamedTuple):
    """A record that was read, or why it could not be."""

    file: str
    record: str
    outcome: RawTrial | RecordError


class XmlSource:
    """Legacy XML: a file, a folder of files, or a zip of them in the layout of the full download."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def batches(self, prepare: Prepare = leave_batch) -> Iterator[Batch]:
        """Yield the trials of all records, in the order of the archive or of the file names."""
        read = partial(_read_chunk, _read_xml, "ctgov-xml", prepare)
        return map_in_order(read, chunk(_find(self._path, _XML, _one_file)))


class JsonSource:
    """Studies of API v2: JSON (one, a list, a page of the API) or JSON lines, .gz of them, folder or zip."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def batches(self, prepare: Prepare = leave_batch) -> Iterator[Batch]:
        """Yield the trials of all records, in the order of the archive or of the file names."""
        read = partial(_read_chunk, _read_json, "ctgov-json", prepare)
        return map_in_order(read, chunk(_find(self._path, _JSON, _records_of)))


def read_found(found: list[Found]) -> Batch:
    """Return the trials of studies of API v2 that are in memory already."""
    return _read_chunk(_read_json, "ctgov-json", leave_batch, found)


def _find(
    path: Path, endings: tuple[str, ...], records_of: Callable[[Path, str], Iterator[Found]]
) -> Iterator[Found]:
    if path.is_dir():
        for inner in find_in_folder(path):
            file = inner.relative_to(path.parent).as_posix()
            try:
                archive.check_ending(file, endings)
            except RecordError as error:
                yield Found(file, refusal=(error.reason, error.detail))
            else:
                yield from records_of(inner, file)
    elif path.suffix.lower() == ".zip":
        yield from find_in_zip(path, endings)
    elif path.name.lower().endswith(endings):
        yield from records_of(path, path.name)
    else:
        raise IngestError(f"{path} is no folder, no .zip and none of {', '.join(endings)}")


def _one_file(path: Path, file: str) -> Iterator[Found]:
    yield Found(file, path=path)


def _records_of(path: Path, file: str) -> Iterator[Found]:
    """Yield the records of a JSON file, which may hold more of them than fit into memory."""
    count = 0
    try:
        for count, text in split_records(read_chunks(path), _plain(file)):
            yield Found(f"{file}:{count}", packed=text)
    except RecordError as error:
        yield Found(
            f"{file}:{count + 1}", refusal=(error.reason, f"{error.detail}; the rest of the file is lost")
        )


def _plain(name: str) -> str:
    return name[:-3] if name.lower().endswith(".gz") else name


def _read_chunk(
    read: Callable[[Found], Iterator[_Read]], source: SourceName, prepare: Prepare, chunk: list[Found]
) -> Batch:
    raws: list[RawTrial] = []
    files: list[str] = []
    refused: list[tuple[str, str, str, str]] = []
    for one in (one for found in chunk for one in read(found)):
        if isinstance(one.outcome, RawTrial):
            raws.append(one.outcome)
            files.append(one.file)
        else:
            refused.append((one.file, one.record, one.outcome.reason, one.outcome.detail))
    batch = build_batch(raws, files, source, markdown=source == "ctgov-json")
    rows = pl.DataFrame(refused, schema=REFUSED_SCHEMA, orient="row")
    return prepare(Batch(batch.trials, pl.concat([rows, batch.refused])))


def _read_xml(found: Found) -> Iterator[_Read]:
    try:
        yield _Read(found.file, "", parse_xml(found.read()))
    except RecordError as error:
        yield _Read(found.file, PurePosixPath(found.file).stem, error)


def _read_json(found: Found) -> Iterator[_Read]:
    try:
        data = found.read()
        name = found.file
        if name.lower().endswith(".gz"):
            data, name = archive.inflate(data, wbits=31), _plain(name)
        if name.lower().endswith(_JSON):  # a member of a zip; other records are parted already
            for count, text in split_records([data], name):
                yield from _read_studies(text, f"{found.file}:{count}")
        else:
            yield from _read_studies(data, found.file)
    except RecordError as error:
        yield _Read(found.file, "", error)


def _read_studies(text: bytes, file: str) -> Iterator[_Read]:
    page = split_page(text)
    if page is None:
        yield _read_study(text, file)
        return
    count = 0
    try:
        for count, study in enumerate(page, start=1):
            yield _read_study(study, f"{file}:{count}")
    except RecordError as error:
        detail = f"{error.detail}; the rest of the page is lost"
        yield _Read(f"{file}:{count + 1}", "", RecordError(error.reason, detail))


def _read_study(text: bytes, file: str) -> _Read:
    study = None
    try:
        study = load_json(text)
        return _Read(file, "", parse_study(study, len(text)))
    except RecordError as error:
        return _Read(file, study_id(study), error)
