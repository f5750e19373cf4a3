"""The parts of a section of the report, and how numbers are written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

Cell = str | int | float | bool | None
MOST_ROWS = 100  # shown of a table of plots/

_CAPITALS = (
    "ROC AUC PR MRR nDCG BM25 LLM MMD DCR NNDR FPR TPR CI JS F1 RRF MeSH BLEU C2ST ECE MIA CSV XML JSON"
)
_ACRONYMS = {word.lower(): word for word in _CAPITALS.split()}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number to show first, with its label and a note."""

    label: str
    value: Cell
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; the first column names the row, and `notes` has one note per row."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    closed: bool = False
    wide: bool = False
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """A Vega-Lite plot, a sentence that says what it shows, and its numbers as a table."""

    key: str
    title: str
    text: str
    spec: Mapping[str, Any]
    table: Table


@dataclass(frozen=True, slots=True)
class ReportSection:
    """A section of the page with its heading."""

    key: str
    title: str
    lead: str
    figures: Sequence[Figure] = field(default_factory=tuple)
    plots: Sequence[Plot] = field(default_factory=tuple)
    tables: Sequence[Table] = field(default_factory=tuple)
    notes: Sequence[str] = field(default_factory=tuple)


def name_words(name: str) -> str:
    """Return a metric's name as words: `roc_auc.real` -> `ROC AUC, real`."""
    parts = []
    for part in name.split("."):
        words = re.split(r"[_\s]+", part)
        parts.append(" ".join(_ACRONYMS.get(word.lower(), word) for word in words if word))
    text = ", ".join(part for part in parts if part)
    return text[:1].upper() + text[1:]


def format_cell(value: Cell) -> str:
    """Return a value as text: thousands separated, four significant figures, yes or no, a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f") if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        if value.is_integer() and abs(value) >= 1_000:
            return format_cell(int(value))
        return f"{value:.4g}".replace("-", "\u2212")
    return value


def metric_table(caption: str, metrics: Mapping[str, Cell]) -> Table:
    """Return metrics as a collapsed table of two columns, in the order of their file."""
    rows = [(name_words(name), value) for name, value in metrics.items()]
    return Table(caption, ("Measure", "Value"), rows, closed=True)


def was_made(frame: pl.DataFrame) -> bool:
    """Return whether a table of plots/ has rows; one that could not be made has only a column `note`."""
    return bool(frame.height) and frame.columns != ["note"]


def frame_table(caption: str, frame: pl.DataFrame, *, closed: bool = False) -> Table:
    """Return a table of plots/; if it is long, only its first rows, and the caption says so."""
    named = caption if frame.height <= MOST_ROWS else f"{caption} (first {MOST_ROWS} of {frame.height} rows)"
    headings = [name_words(name) for name in frame.columns]
    return Table(named, headings, frame.head(MOST_ROWS).rows(), closed=closed)


def pick(metrics: Mapping[str, Cell], *names: str) -> Cell:
    """Return the first of `names` that has a value, or None."""
    return next((metrics[name] for name in names if metrics.get(name) is not None), None)
