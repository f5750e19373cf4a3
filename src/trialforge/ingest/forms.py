"""What a file holds, told by its first bytes; its ending counts only where they say nothing."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from trialforge.ingest import aact, ctgov_csv
from trialforge.ingest.json_stream import find_encoding
from trialforge.ingest.raw import RecordError
from trialforge.ingest.tables import Header, read_header

Form = Literal["xml", "json", "csv", "aact"]

_BINARY = {
    b"%PDF": "a PDF file",
    b"PAR1": "a Parquet table",
    b"ARROW1": "an Arrow table",
    b"PGDMP": "AACT as a PostgreSQL dump; download its pipe-delimited files instead",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file; save the table as CSV",
    b"SQLite format 3": "an SQLite database",
}
# Tags, headings and columns of what other registries give.
_OTHER_REGISTRY = (
    "eudract number:", "<trials_downloaded_from_ictrp", "<alltrials", "<anzctr", "<fulltrial", "<trial xmlns",
    '"ctnumber"', '"isrctn"', '"eudractnumber"',
)  # fmt: skip
_OTHER_COLUMNS = {"trialid", "trial_number"}
# How the names of other registries' id columns start, by their letters alone.
_OTHER_IDS = (
    "isrctn", "eudract", "euct", "ctnumber", "ctisnumber", "drks", "actrn", "anzctr", "chictr", "jrct",
    "umin",
)  # fmt: skip
_TABLE_ENDINGS = (".csv", ".tsv")
_RECORD_ENDINGS = (".json", ".jsonl", ".ndjson", ".xml")
_DATA_ENDINGS = (*_TABLE_ENDINGS, *_RECORD_ENDINGS, ".gz", ".bz2", ".zip")


def find_form(head: bytes, name: str) -> Form:
    """Return the form of the registry's records in a file.

    Args:
        head: its first bytes, 64 KiB where it has so many.
        name: its name, with the names of what it lies in.

    Raises:
        RecordError: it holds none; `other_file` and `other_registry` are nobody's fault.
    """
    for mark, what in _BINARY.items():
        if head.startswith(mark):
            raise RecordError("unknown_form", what)
    text = head.decode(find_encoding(head) or "utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    start = text[:4096].lower()
    ending = PurePosixPath(name).suffix.lower()
    if not text:
        reason = "unknown_form" if ending in _DATA_ENDINGS else "other_file"
        raise RecordError(reason, "an empty file; delete it or download it again")
    if "\0" in text:
        raise RecordError("unknown_form", "binary data of an unknown kind")
    if start.startswith(("<!doctype html", "<html")):
        raise RecordError("unknown_form", "a web page, perhaps of an error; download it again")
    if "<clinical_study" in text or "protocolSection" in text:
        return "xml" if start.startswith("<") else "json"
    if any(mark in start for mark in _OTHER_REGISTRY):
        raise RecordError("other_registry", "a file of another registry")
    if '"api_version"' in start and '"sha256"' in start:
        raise RecordError("other_file", "the manifest of a download")
    if start.startswith("<"):
        return "xml"
    if start.startswith(("{", "[")):
        return "json"
    return _find_table(read_header(head), name, ending)


def _find_table(header: Header | None, name: str, ending: str) -> Form:
    columns = header.columns if header else ()
    if "nct_id" in columns and table_name(name) in aact.TABLES:
        return "aact"
    if "nct_number" in columns or ({*columns} & {*ctgov_csv.ID_COLUMNS} and "study_title" in columns):
        return "csv"
    if _OTHER_COLUMNS & {*columns} or any(map(_is_other_id, columns)):
        raise RecordError("other_registry", "a table of another registry")
    if {"nctid", "why_stop"} <= {*columns}:
        raise RecordError("unknown_form", "a TOP table; name it in `ingest.top_path`")
    if {"nct_id", "label"} <= {*columns}:
        raise RecordError("unknown_form", "a table of labels; name it in `ingest.labels_path`")
    if header and header.separator == "|" and "nct_id" in columns:
        raise RecordError("other_file", "a table of AACT that is not used")
    if ending in _TABLE_ENDINGS:
        raise RecordError(
            "unknown_form",
            f"a table without a column NCT Number; its columns are {', '.join(columns[:6]) or 'one only'}",
        )
    if ending in _RECORD_ENDINGS:
        raise RecordError("unknown_form", f"text that is not {ending[1:].upper()}; download it again")
    raise RecordError("other_file", "text that is not a registry record")


def _is_other_id(column: str) -> bool:
    return "".join(filter(str.isalpha, column)).startswith(_OTHER_IDS)


def table_name(name: str) -> str:
    """Return the name of the table that a file holds: its own, without endings."""
    return PurePosixPath(name).name.partition(".")[0].lower()
