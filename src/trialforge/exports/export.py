"""Synthetic trials in the forms that others read, each marked for what it is."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.core.errors import ExportError
from trialforge.core.files import atomic_path, write_text
from trialforge.exports.registry_json import to_study
from trialforge.exports.registry_xml import NOTICE, to_xml
from trialforge.trial.record import REGISTRATION_FIELDS, SYNTHETIC_PREFIX, Trial, frame_to_trials

MARKS = ("label", "intervention", "arm", "exemplars", "model", "model_digest", "seed")
PAGE = 1000  # studies, as many as the registry gives at once
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # a zip must hold a time; one that is never now keeps its bytes equal


def check_synthetic(records: pl.DataFrame) -> None:
    """Refuse to export a record that is not marked as synthetic.

    Raises:
        ExportError: a record's id or source is not that of a synthetic trial; it names the first.
    """
    bad = records.filter(
        ~pl.col("nct_id").fill_null("").str.contains(f"^{SYNTHETIC_PREFIX}[0-9a-zA-Z]+$")
        | (pl.col("source").fill_null("") != "synthetic")
    )
    if bad.height:
        first = bad.row(0, named=True)
        raise ExportError(
            f"{bad.height} of {records.height} records are not marked as synthetic; the first is "
            f"`{first['nct_id']}` with source `{first['source']}`",
            hint="only records of data/synthetic.parquet can be exported; run: dvc repro validate",
        )
    if not records.height:
        raise ExportError("there are no records to export", hint="run: dvc repro validate")


def _trials(records: pl.DataFrame) -> list[Trial]:
    return frame_to_trials(records.select(REGISTRATION_FIELDS))


def _marks(records: pl.DataFrame) -> list[dict[str, Any]]:
    return records.select(name for name in MARKS if name in records.columns).to_dicts()


def write_hf(records: pl.DataFrame, folder: Path) -> list[Path]:
    """Write a Hugging Face dataset folder's table; the card beside it makes it one."""
    path = folder / "data" / "train-00000-of-00001.parquet"
    marked = records.with_columns(synthetic=pl.lit(value=True)).select(
        "synthetic", pl.all().exclude("synthetic")
    )
    with atomic_path(path) as temporary:
        marked.write_parquet(temporary, compression="zstd", metadata={"synthetic": "true", "notice": NOTICE})
    return [path]


def write_jsonl(records: pl.DataFrame, folder: Path) -> list[Path]:
    """Write one JSON object a line, every column of the table and `synthetic: true`.

    Such a file has no place for words about itself: a first line would be a record to whoever reads it.
    The card beside it has them.
    """
    path = folder / "synthetic-trials.jsonl"
    rows = ({"synthetic": True, **row} for row in records.iter_rows(named=True))
    lines = (json.dumps(row, ensure_ascii=False, default=str) for row in rows)
    write_text("".join(f"{line}\n" for line in lines), path)
    return [path]


def write_xml(records: pl.DataFrame, folder: Path) -> list[Path]:
    """Write a zip of one XML file a trial, laid out as the registry's full download."""
    path = folder / "synthetic-trials.zip"
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = NOTICE.encode()
        for trial, marks in zip(_trials(records), _marks(records), strict=True):
            member = zipfile.ZipInfo(f"{trial.nct_id[:-4]}xxxx/{trial.nct_id}.xml", date_time=_ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, to_xml(trial, {"label": str(marks.get("label"))}))
    return [path]


def write_api(records: pl.DataFrame, folder: Path) -> list[Path]:
    """Write pages as the registry's API v2 answers, each marked at its first level and in every study."""
    head = json.dumps({"synthetic": True, "notice": NOTICE, "totalCount": records.height})[:-1]
    paths = []
    for number, page in enumerate(records.iter_slices(PAGE), 1):
        pairs = zip(_trials(page), _marks(page), strict=True)
        studies = (to_study(trial, {"notice": NOTICE, **marks}) for trial, marks in pairs)
        lines = ",\n".join(json.dumps(study, ensure_ascii=False) for study in studies)
        paths.append(folder / f"synthetic-studies-{number:03}.json")
        write_text(f'{head}, "studies": [\n{lines}\n]}}\n', paths[-1])
    for left in set(folder.glob("synthetic-studies-*.json")) - set(paths):
        left.unlink()  # of an export of more records
    return paths


FORMATS: dict[str, Callable[[pl.DataFrame, Path], list[Path]]] = {
    "hf": write_hf,
    "jsonl": write_jsonl,
    "xml": write_xml,
    "api": write_api,
}


def point_card(card: str, form: str, path: str) -> str:
    """Return the card whose header names the file of this form, where a dataset library can read it."""
    if form in ("hf", "jsonl"):
        return card.replace("path: data/train-*.parquet", f"path: {path}")
    return re.sub(r"^configs:\n(?:(?:- |  ).*\n)+", "", card, count=1, flags=re.MULTILINE)


def export_records(records: pl.DataFrame, form: str, folder: Path, card: str) -> list[Path]:
    """Write `records` in a form of FORMATS, and the dataset card beside them.

    Raises:
        ExportError: no such form, no records, or a record that is not marked as synthetic.
    """
    if form not in FORMATS:
        raise ExportError(f"unknown export format {form!r}; choose from {', '.join(FORMATS)}")
    check_synthetic(records)
    written = FORMATS[form](records.sort("nct_id"), folder)
    name = written[0].relative_to(folder).as_posix()
    write_text(point_card(card, form, name), folder / "README.md")
    return [*written, folder / "README.md"]
