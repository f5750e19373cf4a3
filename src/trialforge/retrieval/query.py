"""What is asked of an index and what it answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trialforge.core.errors import RetrievalError

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Matrix
    from trialforge.retrieval.params import Mode

MAX_CHARACTERS = 20_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Filter:
    """Trials to look at: of this normalised intervention, this label and these ids; None means any."""

    intervention: str | None = None
    label: int | None = None
    among: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A search: the text, its vector where it is already known, and how to answer.

    Attributes:
        text: what the trial should be about, as plain words; no query syntax is read.
        mmr_lambda: lambda of maximal marginal relevance; 1 leaves the ranking as it is.
        seed: of the mode `random`.
        exclude: trials that must not be answered, such as the one that asks.
    """

    text: str
    mode: Mode
    top_k: int
    where: Filter = Filter()
    vector: Matrix | None = None
    mmr_lambda: float = 1.0
    seed: int = 0
    exclude: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Hit:
    """One retrieved trial: its rank, and the score and rank that each part gave it (None: not ranked)."""

    nct_id: str
    rank: int
    lexical_score: float | None = None
    lexical_rank: int | None = None
    dense_score: float | None = None
    dense_rank: int | None = None
    fused_score: float | None = None


def clean_text(text: str) -> str:
    """Return a query as plain words: no control characters, and no more than a query needs.

    Raises:
        RetrievalError: nothing is left.
    """
    cleaned = " ".join(_CONTROL.sub(" ", text[:MAX_CHARACTERS]).split())
    if not cleaned:
        raise RetrievalError("the query has no words", hint="enter some words, such as a condition")
    return cleaned
