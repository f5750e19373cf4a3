"""Labels that a user brings in a CSV file, as spreadsheets and pandas write one."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from trialforge.core.errors import IngestError
from trialforge.trial.registry_ids import NCT_ID

# Headings as they are compared: letters and digits alone. The first that a table has counts.
_ID_HEADINGS = ("nctid", "nctnumber", "nct", "clinicaltrialsgovid", "clinicaltrialsgovidentifier", "trialid")
_LABEL_HEADINGS = (
    "label", "outcomelabel", "triallabel", "trialoutcome", "trialsuccess", "outcome", "success", "successful",
)  # fmt: skip
_SUCCESS = (
    "yes", "y", "true", "t", "success", "successful", "succeeded", "wahr", "vrai", "verdadero", "vero",
    "pass", "passed", "oui", "ja", "si", "sí",
)  # fmt: skip
_FAILURE = (
    "no", "n", "false", "f", "failure", "failed", "fail", "unsuccessful", "falsch", "faux", "falso", "non",
    "nein",
)  # fmt: skip
_LABELS = dict.fromkeys(_SUCCESS, 1) | dict.fromkeys(_FAILURE, 0)
_NOTHING = ("", "na", "n/a", "nan", "null", "none", "#n/a", "<na>")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx, and .xls of old


def read_label_csv(path: Path) -> pl.DataFrame:
    """Return `nct_id`, `label` and `evidence` of the rows that have a label, one an id.

    The delimiter is whatever parts the headings, the encoding UTF-8, UTF-16 or Windows-1252, and the file may
    be gzipped. Ids lose spaces and take capitals; labels are 1 and 0, also as 1.0, yes, success and the like.

    Raises:
        IngestError: the file can't be read, lacks a heading, has a word for a label that is none, or
            contradicts itself.
    """
    table = _read_csv(path)
    word = pl.col("label").fill_null("").str.strip_chars().str.to_lowercase()
    number = word.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    label = pl.when(number.is_in([0.0, 1.0])).then(number.cast(pl.Int64, strict=False))
    named = word.replace_strict(_LABELS, default=None, return_dtype=pl.Int64)
    rows = table.with_columns(
        nct_id=_fold_id(pl.col("nct_id")), number=pl.coalesce(label, named), empty=word.is_in(_NOTHING)
    )
    _check_rows(rows, path)
    evidence = pl.col("evidence").str.strip_chars().replace("", None).fill_null(path.name)
    labelled = rows.filter(~pl.col("empty")).select("nct_id", label="number", evidence=evidence)
    return labelled.unique("nct_id", keep="last", maintain_order=True)


def _fold_id(text: pl.Expr) -> pl.Expr:
    """Return the registry id in a text, as in a web address, or else the text in capitals without spaces."""
    plain = text.fill_null("").str.replace_all(r"[\s\u{200B}\u{FEFF}]", "").str.to_uppercase()
    return pl.coalesce(plain.str.extract(f"({NCT_ID})"), plain)


def _check_rows(rows: pl.DataFrame, path: Path) -> None:
    unread = rows.filter(~pl.col("empty") & pl.col("number").is_null())
    if unread.height:
        raise IngestError(
            f"label table {path}: {unread['nct_id'][0]} has label {unread['label'][0]!r}; allowed are 1 and "
            "0, yes and no, true and false, success and failure"
        )
    if rows["empty"].all():
        raise IngestError(f"label table {path}: every label is empty")
    nameless = rows.filter(~pl.col("empty") & (pl.col("nct_id") == ""))
    if nameless.height:
        raise IngestError(f"label table {path}: row {nameless['row'][0]} has a label but no id")
    ids = rows.group_by("nct_id", maintain_order=True).agg(
        labels=pl.col("number").drop_nulls().n_unique(), some=pl.col("empty").any() & ~pl.col("empty").all()
    )
    both, half = ids.filter(pl.col("labels") > 1)["nct_id"], ids.filter(pl.col("some"))["nct_id"]
    if both.len():
        raise IngestError(
            f"label table {path}: {both[0]} and {both.len() - 1} more have both labels, 0 and 1"
        )
    if half.len():
        raise IngestError(
            f"label table {path}: the label of {half[0]} is empty in one of its rows, as are those of "
            f"{half.len() - 1} more ids"
        )


def _read_csv(path: Path) -> pl.DataFrame:
    """Return `row` (its line, where no cell has several), `nct_id`, `label` and `evidence` as they stand."""
    try:
        text = _decode(path.read_bytes(), path)
    except FileNotFoundError as error:
        raise IngestError(
            f"no label table {path}", hint="put it there, or set `ingest.labels_path`"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise IngestError(f"label table {path} can't be read: {error}") from error
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((place for place, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise IngestError(f"label table {path} can't be read: it is empty")
    if lines[first].strip('"').lower().startswith("sep="):  # Excel's own note of the delimiter
        first += 1
    delimiter, columns = _find_columns(lines[first], path)
    try:
        # The headings are there for the width alone: columns are taken by their place.
        table = pl.read_csv(io.StringIO("\n".join(lines[first:])), separator=delimiter, infer_schema=False)
    except PolarsError as error:
        raise IngestError(f"label table {path} can't be read: {error}") from error
    cells = {
        name: pl.nth(place) if place is not None else pl.lit(None, pl.String)
        for name, place in columns.items()
    }
    return table.select(row=pl.int_range(first + 2, first + 2 + pl.len()), **cells)


def _decode(data: bytes, path: Path) -> str:
    if data.startswith(_WORKBOOKS):
        raise IngestError(f"label table {path} is a workbook or an archive", hint="save it as CSV")
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:4]:  # UTF-16 without its mark: every other byte of a Latin letter is 0
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _find_columns(header: str, path: Path) -> tuple[str, dict[str, int | None]]:
    """Return the delimiter, and the place of each column; of the evidence it may be null."""
    usual = ",;\t|"
    inside = " _\"'" if any(sign in header for sign in usual) else "_\"'"  # a space may stand in a name
    others = sorted({sign for sign in header if sign.isascii() and not sign.isalnum() and sign not in inside})
    for delimiter in (*usual, *others):
        names = _split(header, delimiter)
        nct_id, label = _place(names, _ID_HEADINGS), _place(names, _LABEL_HEADINGS)
        if nct_id is not None and label is not None:
            return delimiter, {"nct_id": nct_id, "label": label, "evidence": _place(names, ("evidence",))}
    raise IngestError(
        f"label table {path} needs a column of ids (`nct_id` or `NCT Number`) and one named `label`; "
        f"its first line is {header[:200]!r}"
    )


def _split(header: str, delimiter: str) -> list[str]:
    names = next(csv.reader([header], delimiter=delimiter))
    return ["".join(letter for letter in name.lower() if letter.isalnum()) for name in names]


def _place(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)
