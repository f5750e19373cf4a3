"""Print answers as JSON, text or columns."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trialforge.core.errors import describe_error, escape_controls
from trialforge.core.secrets import hide_secrets

if TYPE_CHECKING:
    from trialforge.core.progress import Progress


def print_line(text: str = "") -> None:
    """Print a line of the answer, with control characters escaped."""
    sys.stdout.write(f"{escape_controls(text)}\n")


def emit(value: Any, *, as_json: bool, text: str | Callable[[], str]) -> None:
    """Print `value` as JSON if wanted, or else `text`."""
    if as_json:
        print_line(json.dumps(value, indent=2, ensure_ascii=False, default=str))
    else:
        print_line(text() if callable(text) else text)


def align(rows: Iterable[Sequence[object]], headings: Sequence[str] = ()) -> str:
    """Return rows as text in aligned columns; the last column may have any width."""
    table = [[_on_one_line(cell) for cell in row] for row in [headings, *rows] if row]
    if not table:
        return ""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
    return "\n".join(lines)


def _on_one_line(cell: object) -> str:
    return escape_controls(" ".join(str(cell).split()))


def print_note(text: str) -> None:
    """Print a note about the answer on standard error."""
    sys.stderr.write(f"{escape_controls(text)}\n")


def show_progress(what: str, total: int | None, *, as_json: bool, quiet_seconds: float = 0.0) -> Progress:
    """Return the progress display of a command on standard error; with JSON nothing is shown."""
    from rich.console import Console

    from trialforge.core.progress import Progress

    return Progress(what, total, Console(stderr=True, quiet=as_json), quiet_seconds=quiet_seconds)


def print_error(message: str, hint: str | None, *, as_json: bool) -> None:
    """Print what went wrong on one line, and what to do next."""
    if as_json:
        problem: Mapping[str, str | None] = {"error": message, "hint": hint}
        sys.stderr.write(escape_controls(hide_secrets(json.dumps(problem, ensure_ascii=False))) + "\n")
        return
    sys.stderr.write(f"{describe_error(message, hint)}\n")
