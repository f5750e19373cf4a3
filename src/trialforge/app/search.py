"""Search hits for people: with the title, conditions and label of each trial."""

from __future__ import annotations

from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import polars as pl

from trialforge.core.errors import RetrievalError
from trialforge.retrieval.params import Mode
from trialforge.retrieval.query import Filter
from trialforge.trial.label_words import LABEL_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trialforge.retrieval.pool import Pool
    from trialforge.retrieval.query import Hit

LABELS = {word: label for label, word in LABEL_WORDS.items()} | {"1": 1, "0": 0}
_SHOWN = ("text_title", "phase", "conditions", "normalized_interventions", "label")


def make_filter(pool: Pool, intervention: str | None, label: str | None) -> Filter:
    """Return the filter that a user described in words.

    Raises:
        RetrievalError: no trial of the pool has the intervention, or the label is unknown.
    """
    name = intervention.strip().lower() if intervention else None
    known = pool.interventions()
    if name and name not in known:
        near = get_close_matches(name, known, n=5, cutoff=0.5)
        hint = f"similar names: {', '.join(near)}" if near else "omit --intervention to search all trials"
        raise RetrievalError(f"no training trial has the intervention {intervention!r}", hint=hint)
    if label is not None and label not in LABELS:
        raise RetrievalError(f"unknown label {label!r}", hint=f"choose from {', '.join(LABELS)}")
    return Filter(name, None if label is None else LABELS[label])


def check_mode(mode: str) -> Mode:
    """Return the search mode of that name.

    Raises:
        RetrievalError: there is no such mode.
    """
    known: dict[str, Mode] = {name: name for name in get_args(Mode)}
    if mode not in known:
        raise RetrievalError(f"unknown mode {mode!r}", hint=f"choose from {', '.join(known)}")
    return known[mode]


def describe_hits(hits: Sequence[Hit], folder: Path) -> list[dict[str, Any]]:
    """Return each hit with what the index in `folder` knows about its trial."""
    documents = pl.scan_parquet(folder / "documents.parquet")
    shown = [name for name in _SHOWN if name in documents.collect_schema().names()]
    chosen = documents.filter(pl.col("nct_id").is_in([hit.nct_id for hit in hits])).select("nct_id", *shown)
    known = {row["nct_id"]: row for row in chosen.collect().iter_rows(named=True)}
    return [
        {name.removeprefix("text_"): value for name, value in (asdict(hit) | known[hit.nct_id]).items()}
        for hit in hits
    ]


def hit_cells(found: dict[str, Any]) -> list[str]:
    """Return a hit as a row of a table, in the order of HEADINGS."""
    label = LABEL_WORDS.get(found["label"], "-")
    parts = [
        _scored(found["lexical_score"], found["lexical_rank"]),
        _scored(found["dense_score"], found["dense_rank"]),
        "-" if found["fused_score"] is None else f"{found['fused_score']:.4f}",
    ]
    return [
        str(found["rank"]),
        found["nct_id"],
        *parts,
        label,
        found["phase"] or "-",
        found.get("title") or "-",
    ]


HEADINGS = ("rank", "trial", "BM25 (rank)", "cosine (rank)", "fused", "label", "phase", "title")


def _scored(score: float | None, rank: int | None) -> str:
    return "-" if score is None else f"{score:.3f} ({rank})"
