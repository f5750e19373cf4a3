"""The sources that read registry records: the legacy XML, and studies of API v2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from trialforge.corpus.ctgov_xml import parse_xml
from trialforge.corpus.pool import map_in_order
from trialforge.corpus.raw import RawTrial, RecordError
from trialforge.corpus.records import Found, chunk, find_in_folder, find_in_zip
from trialforge.corpus.source import REFUSED_SCHEMA, Batch
from trialforge.corpus.typed import build_batch
from trialforge.errors import IngestError


class XmlSource:
    """Legacy XML: a file, a folder of files, or a zip of them in the layout of the full download."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def batches(self) -> Iterator[Batch]:
        """Yield the trials of all records, in the order of the archive or of the file names."""
        return map_in_order(_read_xml, chunk(self._find()))

    def _find(self) -> Iterator[Found]:
        if self._path.is_dir():
            for path in find_in_folder(self._path, (".xml",)):
                yield Found(path.relative_to(self._path.parent).as_posix(), path=path)
        elif self._path.suffix.lower() == ".zip":
            yield from find_in_zip(self._path, (".xml",))
        elif self._path.suffix.lower() == ".xml":
            yield Found(self._path.name, path=self._path)
        else:
            raise IngestError(f"{self._path} is no folder, .zip or .xml file of registry records")


def _read_xml(chunk: list[Found]) -> Batch:
    raws: list[RawTrial] = []
    files: list[str] = []
    refused: list[tuple[str, str, str, str]] = []
    for found in chunk:
        try:
            raws.append(parse_xml(found.read()))
        except RecordError as error:
            record = Path(found.file).stem
            refused.append((found.file, record, error.reason, error.detail))
        else:
            files.append(found.file)
    batch = build_batch(raws, files, "ctgov-xml", markdown=False)
    rows = pl.DataFrame(refused, schema=REFUSED_SCHEMA, orient="row")
    return Batch(batch.trials, pl.concat([rows, batch.refused]))
