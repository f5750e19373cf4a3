"""Files that are whole or absent: every write goes to a temporary name and is renamed.

What DVC hashes must be equal on every machine, so JSON has sorted keys and Parquet has no
time, host or path in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from trialforge.core.errors import ArtifactError, DiskError, explain_disk

Number = int | float | str | bool | None


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the system refuses while `path` is written into an error that names it.

    Raises:
        DiskError: the disk is full or read-only, or this user has no right to it.
    """
    try:
        yield
    except OSError as error:
        raise explain_disk(error, path) from error
    except PolarsError as error:
        if not any(words in str(error) for words in ("os error", "transport error")):
            raise
        raise explain_disk(error, path) from error


@contextmanager
def database_errors(path: Path, what: str) -> Iterator[None]:
    """Turn what SQLite says of the database at `path` into errors that say what it is and where.

    Raises:
        DiskError: the disk is full or read-only, or this user has no right to it.
        ArtifactError: the file is damaged.
    """
    try:
        with disk_errors(path):
            yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            # No hint at a smaller database: giving space back takes space first, as large as what is kept.
            hint = "free space elsewhere on this disk, then run again to continue"
            raise DiskError(f"no space for the {what} {path}: {error}", hint=hint) from error
        hint = "let this user write to it and its folder, then run again to continue"
        raise DiskError(f"the {what} {path} can't be used: {error}", hint=hint) from error
    except sqlite3.DatabaseError as error:
        hint = f"move {path} away: its content is made again"
        raise ArtifactError(f"the {what} {path} is damaged: {error}", hint=hint) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`, which takes its name when the block ends well; errors as `disk_errors`."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(text: str, path: Path) -> None:
    """Write UTF-8 text with Unix line ends, whole or not at all."""
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: Path) -> None:
    """Write bytes, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_json(value: Any, path: Path) -> None:
    """Write JSON with sorted keys, whole or not at all; NaN and infinity are refused."""
    write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", path)


# Rows that are encoded together: of a large table a few hundred MB, in place of all of it.
_ROW_GROUP = 32_768


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as Parquet (zstd), whole or not at all."""
    with atomic_path(path) as temporary:
        frame.write_parquet(temporary, compression="zstd", row_group_size=_ROW_GROUP)


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as CSV, for plots that git tracks."""
    with atomic_path(path) as temporary:
        frame.write_csv(temporary)


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    hint = f"run: dvc repro {path}"
    if not path.is_file():
        raise ArtifactError(f"no file {path}", hint=hint)
    try:
        yield
    except (PolarsError, OSError) as error:
        raise ArtifactError(f"{path} can't be read: {error}", hint=hint) from error


def read_parquet(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """Return a table that a stage wrote.

    Raises:
        ArtifactError: the file is absent, unreadable or lacks a column.
    """
    with _parquet_errors(path):
        return pl.read_parquet(path, columns=columns)


def read_where(path: Path, chosen: pl.Expr) -> pl.DataFrame:
    """Return the rows of a table that are chosen; no more of the others than a row group is in memory.

    Args:
        path: a table that a stage wrote.
        chosen: of its columns, or of `row`, the place of each row from 0.

    Raises:
        ArtifactError: as `read_parquet`.
    """
    parts = []
    for start in range(0, max(count_rows(path), 1), _ROW_GROUP):
        with _parquet_errors(path):
            near = pl.scan_parquet(path).slice(start, _ROW_GROUP).with_row_index("row", offset=start)
            found = near.filter(chosen).drop("row").collect()
        # Texts of a filtered frame are views of all that was read: only a copy lets go of the rest.
        parts.append(pl.read_ipc(found.write_ipc(None).getvalue()))
    return pl.concat(parts)


def count_rows(path: Path) -> int:
    """Return the number of rows of a table that a stage wrote.

    Raises:
        ArtifactError: as `read_parquet`.
    """
    with _parquet_errors(path):
        return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def read_json(path: Path) -> Any:
    """Return the value of a JSON file that a stage wrote.

    Raises:
        ArtifactError: the file is absent or is no JSON.
    """
    hint = f"run: dvc repro {path}"
    if not path.is_file():
        raise ArtifactError(f"no file {path}", hint=hint)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{path} is not valid JSON: {error}", hint=hint) from error


def read_bytes(path: Path, most: int) -> bytes:
    """Return the bytes of a file.

    Raises:
        ArtifactError: there are more than `most`; a device or a pipe may never end.
    """
    with path.open("rb") as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise ArtifactError(f"{path} is longer than {most} bytes")
    return found


def hash_text(text: str) -> str:
    """Return the SHA-256 of text as 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def hash_json(value: Any) -> str:
    """Return the SHA-256 of a JSON value, independent of key order."""
    return hash_text(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flatten(value: Any, prefix: str = "") -> dict[str, Number]:
    """Return nested mappings and lists as one level, their keys joined by dots."""
    if isinstance(value, dict):
        parts = ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, list):
        parts = ((str(position), inner) for position, inner in enumerate(value))
    else:
        return {prefix: value}
    flat: dict[str, Number] = {}
    for key, inner in parts:
        flat |= flatten(inner, f"{prefix}.{key}" if prefix else key)
    return flat
