"""Any set of records to be measured: a file of this checkout, of a commit, or of somebody else."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError
from pydantic import ValidationError

from trialforge.core.errors import ArtifactError
from trialforge.core.files import read_parquet
from trialforge.ingest.interventions import NameCollector, add_normalized
from trialforge.quality.measurement import REAL_PARTS, RunTables, draw_run
from trialforge.trial.record import (
    REGISTRATION_FIELDS,
    REGISTRATION_SCHEMA,
    TRIAL_SCHEMA,
    Trial,
    trials_to_frame,
)

# What a set may say of its records besides the trial: measures that need an absent one have no value.
LINEAGE: dict[str, pl.DataType] = {
    "normalized_interventions": pl.List(pl.String()),
    "intervention": pl.String(),
    "arm": pl.String(),
    "exemplars": pl.List(pl.String()),
    "model": pl.String(),
    "prompt_hash": pl.String(),
}
_KINDS = {**REGISTRATION_SCHEMA, "label": TRIAL_SCHEMA["label"], **LINEAGE}
MOST_REFERENCES = 5000  # trials of each part; the cost of some measures grows with their square
FORMS = (".parquet", ".jsonl", ".ndjson", ".csv")

REAL_TABLES = {name: name for name in ("train", "validation", "test", "held_back")} | {
    "drafts": "held_back_drafts"
}


def read_run(data: Path) -> RunTables:
    """Return the real trials of a run, from its data folder; whose records are met has a lineage of its own.

    Raises:
        ArtifactError: a table is not there or can't be read.
    """
    tables: dict[str, Any] = {
        name: read_parquet(data / f"{file}.parquet") for name, file in REAL_TABLES.items()
    }
    return RunTables(**tables)


def read_reference(data: Path, seed: int, *, every: bool = False) -> RunTables:
    """Return the real trials of a run: all, or at most MOST_REFERENCES of each part, drawn at random."""
    run = read_run(data)
    return run if every else draw_run(run, MOST_REFERENCES, seed)


def describe_reference(run: RunTables) -> str | None:
    """Return what a comparison does not see, where real trials were drawn."""
    if run.whole is None:
        return None
    sizes = ", ".join(
        f"{len(drawn):,} of {len(whole):,} {name.replace('_', '-')} trials"
        for name in REAL_PARTS
        if len(drawn := getattr(run, name)) < len(whole := getattr(run.whole, name))
    )
    return (
        f"measured against {sizes}, drawn at random. A copy of a trial that was neither drawn nor shown "
        "to the record is not found; --all reads every trial"
    )


def read_set(name: str) -> pl.DataFrame:
    """Return the records of a Parquet, JSONL or CSV file, or of one at a commit, named `REVISION:PATH`.

    Fields that a set lacks are null; a record without id or source gets one. Interventions may be names
    alone; a list stands in a cell of a CSV file as JSON.

    Raises:
        ArtifactError: there is no such file or commit, its content is not at hand, or it holds no trials.
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
        raise ArtifactError(f"{name} is none of {', '.join(FORMS)}")
    if path.suffix == ".parquet":
        frame = _read_table(content, name)
    else:
        parse, what = (_parse_csv, "row of trials") if path.suffix == ".csv" else (_parse_json, "JSON object")
        frame = _read_rows(content, name, parse, what)
    if not len(frame):
        raise ArtifactError(f"{name} holds no record")
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
            hint="dvc fetch --all-commits, or run that commit's pipeline: git checkout it, then dvc repro",
        ) from error
    return content


def _read_table(content: bytes, name: str) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(BytesIO(content))
        if "label" in frame.columns:
            frame = frame.with_columns(_read_labels(frame["label"], name))
        # Columns of lineage stay away where a set has none: null ones would look like an answer.
        return _with_names(
            frame.select(
                pl.col(column).cast(kind) if column in frame.columns else pl.lit(None, kind).alias(column)
                for column, kind in _KINDS.items()
                if column in frame.columns or column not in LINEAGE
            )
        )
    except PolarsError as error:
        raise ArtifactError(f"{name} is no table of trials: {error}") from error


def _read_labels(labels: pl.Series, name: str) -> pl.Series:
    """Return labels as 0 and 1; other numbers, such as -1 or a probability, would be cut to these."""
    numbers = labels.cast(pl.Float64).fill_nan(None)
    wrong = numbers.filter((numbers != 0) & (numbers != 1))
    if len(wrong):
        raise ArtifactError(f"{name}: a `label` of {wrong[0]:g} is neither 0 nor 1")
    return numbers.cast(pl.Int64)


def _parse_json(content: bytes) -> Iterator[tuple[int, Callable[[], Any]]]:
    """Yield the number of each line that is not empty, and what reads it."""
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            yield number, partial(json.loads, line)


def _parse_csv(content: bytes) -> Iterator[tuple[int, Callable[[], Any]]]:
    """Yield the number of each row's last line, and what reads it."""
    reader = csv.DictReader(StringIO(content.decode("utf-8-sig"), newline=""))
    for row in reader:
        yield reader.line_num, partial(_read_cells, row)


def _read_cells(row: Mapping[str | None, Any]) -> dict[str, Any]:
    """Return the cells that are filled: a list as JSON, a number as what it is, all else as text."""
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
        raise ArtifactError(f"{name} is no table in UTF-8: {error}") from error
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
            raise ArtifactError(f"{name}, line {number} is no {what}: {error}") from error
        rows.append(row)
    frame = trials_to_frame(trials).select(*REGISTRATION_FIELDS, "label")
    extra = {key: kind for key, kind in LINEAGE.items() if any(key in row for row in rows)}
    try:
        lineage = [pl.Series(key, [row.get(key) for row in rows], kind) for key, kind in extra.items()]
    except (PolarsError, TypeError) as error:
        raise ArtifactError(
            f"{name}: one of {', '.join(extra)} has a value of another kind: {error}"
        ) from error
    return _with_names(frame.with_columns(lineage))


def name_alike(records: pl.DataFrame, train: pl.DataFrame) -> pl.DataFrame:
    """Return records with the names of their interventions normalised as those of train were.

    Without, `Aspirin 100 mg` is another intervention than `aspirin`, and all that list a placebo first are
    trials of one.
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
