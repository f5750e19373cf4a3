"""Windows of tokens as batches, and their vectors as one vector a text: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Matrix

LENGTH_STEP = 16  # windows are padded to a multiple of this: few shapes, little padding


def padded_length(length: int) -> int:
    """Return the length that a window of `length` tokens is padded to, whatever it is batched with."""
    return -(-max(length, 1) // LENGTH_STEP) * LENGTH_STEP


def plan_batches(lengths: Sequence[int], batch_tokens: int) -> list[tuple[int, list[int]]]:
    """Return (padded length, window numbers) of batches that cover all windows, the longest first.

    Windows are sorted by length, so that none is padded to the length of a much longer neighbour; and
    its padded length depends on the window alone, so that its vector does too.
    """
    padded = np.array([padded_length(length) for length in lengths], dtype=np.int64)
    batches: list[tuple[int, list[int]]] = []
    for length in sorted(set(padded.tolist()), reverse=True):
        rows = np.flatnonzero(padded == length).tolist()
        size = max(1, batch_tokens // length)
        batches.extend((length, rows[start : start + size]) for start in range(0, len(rows), size))
    return batches


def pool_windows(vectors: Matrix, owners: Sequence[int], weights: Sequence[int], count: int) -> Matrix:
    """Return one row of length 1 a text: the mean of its windows' rows, weighted by their tokens."""
    pooled = np.zeros((count, vectors.shape[1]), dtype=np.float64)
    np.add.at(pooled, np.asarray(owners, dtype=np.int64), vectors * np.asarray(weights, dtype=float)[:, None])
    norms = np.linalg.norm(pooled, axis=1, keepdims=True)
    return (pooled / np.where(norms > 0, norms, 1.0)).astype(np.float32)
