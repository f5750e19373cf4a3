"""Read sets of records to measure: a file of this checkout, of a commit, or from somebody else."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError
from pydantic import ValidationError

from trialforge.core.errors import ArtifactError
from trialforge.ingest.interventions import NameCollector, add_normalized
from trialforge.quality.measurement import RunTables, count_drawn, draw_run
from trialforge.trial.record import (
    REGISTRATION_FIELDS,
    REGISTRATION_SCHEMA,
    TRIAL_SCHEMA,
    Trial,
    trials_to_frame,
)

# Optional columns besides the trial: measures that need a missing one have no value.
LINEAGE: dict[str, pl.DataType] = {
    "normalized_interventions": pl.List(pl.String()),
    "intervention": pl.String(),
    "arm": pl.String(),
    "exemplars": pl.List(pl.String()),
    "model": pl.String(),
    "prompt_hash": pl.String(),
}
_KINDS = {**REGISTRATION_SCHEMA, "label": TRIAL_SCHEMA["label"], **LINEAGE}
MOST_REFERENCES = 5000  # trials of each part; the cost of some measures is quadratic in them
FORMS = (".parquet", ".jsonl", ".ndjson", ".csv")

REAL_TABLES = {name: name for name in ("train", "validation", "test", "held_back")} | {
    "drafts": "held_back_drafts"
}


def read_reference(data: Path, seed: int, *, every: bool = False) -> RunTables:
    """Return the real trials of a run: all, or a random sample of at most MOST_REFERENCES per part.

    Raises:
        ArtifactError: a table does not exist or can't be read.
    """
    files = {name: data / f"{file}.parquet" for name, file in REAL_TABLES.items()}
    return draw_run(files, sys.maxsize if every else MOST_REFERENCES, seed)


def describe_reference(run: RunTables) -> str | None:
    """Return a note on what a comparison misses if real trials were sampled, or None."""
    if not run.whole:
        return None
    sizes = ", ".join(
        f"{drawn:,} of {size:,} {name.replace('_', '-')} trials"
        for name, (drawn, size) in count_drawn(run).items()
    )
    return (
        f"measured against a random sample: {sizes}. A copy is missed if its trial was neither sampled nor "
        "shown to the record; --all reads every trial"
    )


def read_set(name: str) -> pl.DataFrame:
    """Return the records of a Parquet, JSONL or CSV file, or of a file at a commit, named `REVISION:PATH`.

    Missing fields are null; a record without id or source gets one. Interventions may be plain names. In
    a CSV file, lists are written as JSON.

    Raises:
        ArtifactError: the file or commit does not exist, its content is not available, or it has no trials.
    """
    path = Path(name)
    revision, _, at = name.partition(":")
    if not path.is_file() and at:
        content, path = _read_commit(at, revision), Path(at)
    elif path.is_file():
        content = path.read_bytes()
    else:
        raise ArtifactError(f"no file {name}", hint="name a .parquet, .jsonl or .csv file, or REVISION:PATH")
    if path.suffix not in FORMS:
        raise ArtifactError(f"{name} must end in one of {', '.join(FORMS)}")
    if path.suffix == ".parquet":
        frame = _read_table(content, name)
    else:
        parse, what = (_parse_csv, "row of trials") if path.suffix == ".csv" else (_parse_json, "JSON object")
        frame = _read_rows(content, name, parse, what)
    if not len(frame):
        raise ArtifactError(f"{name} has no records")
    return frame


def _read_commit(path: str, revision: str) -> bytes:
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.scm import RevError, SCMError

    try:
        with dvc.api.open(path, rev=revision, mode="rb") as file:
            content: bytes = file.read()
    except (RevError, SCMError) as error:
        raise ArtifactError(f"no commit {revision!r}: {error}", hint="git log --oneline") from error
    except (DvcException, OSError) as error:
        raise ArtifactError(
            f"{path} of commit {revision} can't be read: {error.__cause__ or error}",
            hint="run: dvc fetch --all-commits, or check out that commit and run: dvc repro",
        ) from error
    return content


def _read_table(content: bytes, name: str) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(BytesIO(content))
        if "label" in frame.columns:
            frame = frame.with_columns(_read_labels(frame["label"], name))
        # Missing lineage columns stay missing: null ones would look like an answer.
        return _with_names(
            frame.select(
                pl.col(column).cast(kind) if column in frame.columns else pl.lit(None, kind).alias(column)
                for column, kind in _KINDS.items()
                if column in frame.columns or column not in LINEAGE
            )
        )
    except PolarsError as error:
        raise ArtifactError(f"{name} is not a table of trials: {error}") from error


def _read_labels(labels: pl.Series, name: str) -> pl.Series:
    """Return labels as 0 and 1; a cast would turn other numbers, such as probabilities, into these."""
    numbers = labels.cast(pl.Float64).fill_nan(None)
    wrong = numbers.filter((numbers != 0) & (numbers != 1))
    if len(wrong):
        raise ArtifactError(f"{name}: `label` must be 0 or 1, got {wrong[0]:g}")
    return numbers.cast(pl.Int64)


def _parse_json(content: bytes) -> Iterator[tuple[int, Callable[[], Any]]]:
    """Yield the number of each non-empty line and a function that reads it."""
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            yield number, partial(json.loads, line)


def _parse_csv(content: bytes) -> Iterator[tuple[int, Callable[[], Any]]]:
    """Yield the number of each row's last line and a function that reads the row."""
    reader = csv.DictReader(StringIO(content.decode("utf-8-sig"), newline=""))
    for row in reader:
        yield reader.line_num, partial(_read_cells, row)


def _read_cells(row: Mapping[str | None, Any]) -> dict[str, Any]:
    """Return the filled cells: lists and numbers parsed as JSON, all others as text."""
    if None in row:
        raise ValueError("it has more cells than the heading")
    cells = {str(key): text for key, text in row.items() if text}
    return {
        key: text
        if _KINDS.get(key, pl.String()) == pl.String() or _KINDS[key].is_temporal()
        else json.loads(text)
        for key, text in cells.items()
    }


def _read_rows(
    content: bytes, name: str, parse: Callable[[bytes], Iterator[tuple[int, Callable[[], Any]]]], what: str
) -> pl.DataFrame:
    trials: list[Trial] = []
    rows: list[dict[str, Any]] = []
    try:
        lines = list(parse(content))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ArtifactError(f"{name} is not a table in UTF-8: {error}") from error
    for number, read in lines:
        try:
            row = read()
            known = {key: row[key] for key in (*REGISTRATION_FIELDS, "label") if row.get(key) is not None}
            if isinstance(given := known.get("interventions"), list):
                known["interventions"] = [{"name": one} if isinstance(one, str) else one for one in given]
            trials.append(Trial.model_validate({"nct_id": "", "source": "synthetic"} | known))
        except ValidationError as error:
            fault = error.errors()[0]
            raise ArtifactError(
                f"{name}, line {number}: `{'.'.join(map(str, fault['loc']))}`: {fault['msg']}"
            ) from error
        except (ValueError, AttributeError) as error:
            raise ArtifactError(f"{name}, line {number} is not a {what}: {error}") from error
        rows.append(row)
    frame = trials_to_frame(trials).select(*REGISTRATION_FIELDS, "label")
    extra = {key: kind for key, kind in LINEAGE.items() if any(key in row for row in rows)}
    try:
        lineage = [pl.Series(key, [row.get(key) for row in rows], kind) for key, kind in extra.items()]
    except (PolarsError, TypeError) as error:
        raise ArtifactError(
            f"{name}: one of {', '.join(extra)} has a value of the wrong type: {error}"
        ) from error
    return _with_names(frame.with_columns(lineage))


def name_alike(records: pl.DataFrame, train: pl.DataFrame) -> pl.DataFrame:
    """Return the records with intervention names normalised like those of train.

    Otherwise `Aspirin 100 mg` and `aspirin` would be different interventions, and all records that list a
    placebo first would count as placebo trials.
    """
    if "normalized_interventions" in records.columns:
        return records
    collector = NameCollector()
    for frame in (train, records):
        collector.add(frame)
    return add_normalized(records, collector.normalize())


def _with_names(frame: pl.DataFrame) -> pl.DataFrame:
    place = pl.concat_str(pl.lit("record-"), pl.int_range(1, pl.len() + 1))
    return frame.with_columns(
        pl.when(pl.col("nct_id").fill_null("") == "").then(place).otherwise("nct_id").alias("nct_id"),
        pl.col("source").fill_null("synthetic"),
    )
