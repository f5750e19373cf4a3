"""Rankings made one, and a ranking made diverse: pure functions on ids and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Matrix


def rank_ids(scores: Mapping[str, float]) -> list[str]:
    """Return ids, the best score first; equal scores stand in the order of their ids."""
    return sorted(scores, key=lambda nct_id: (-scores[nct_id], nct_id))


def fuse_rankings(weighted: Sequence[tuple[Sequence[str], float]], rank_constant: int) -> dict[str, float]:
    """Return the score of each id by reciprocal rank fusion: sum of weight / (constant + rank).

    Cormack 2009, where all weights are 1.
    """
    fused: dict[str, float] = {}
    for ranking, weight in weighted:
        for rank, nct_id in enumerate(ranking, start=1):
            fused[nct_id] = fused.get(nct_id, 0.0) + weight / (rank_constant + rank)
    return fused


def diversify(
    ranking: Sequence[str], relevance: Sequence[float], vectors: Matrix, mmr_lambda: float
) -> list[str]:
    """Return the ranking re-ordered by maximal marginal relevance (Carbonell 1998).

    Args:
        ranking: ids, the best first.
        relevance: a score for each id; scaled to 0..1 here, since fused scores are small.
        vectors: a unit row for each id.
        mmr_lambda: 1 keeps the ranking, 0 looks at diversity alone.
    """
    values = np.asarray(relevance, dtype=np.float64)
    spread = float(np.ptp(values)) if len(values) else 0.0
    values = (values - values.min()) / spread if spread else np.ones_like(values)
    similarity = np.asarray(vectors @ vectors.T, dtype=np.float64)
    nearest = np.zeros(len(ranking))
    left = list(range(len(ranking)))
    chosen: list[int] = []
    while left:
        gains = mmr_lambda * values[left] - (1 - mmr_lambda) * nearest[left]
        best = left.pop(int(np.argmax(gains)))  # the first of equals: the better ranked
        nearest = similarity[best] if not chosen else np.maximum(nearest, similarity[best])
        chosen.append(best)
    return [ranking[number] for number in chosen]
