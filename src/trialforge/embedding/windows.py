"""Long texts as windows, and windows as batches of one shape: pure functions.

A matrix product may round differently when its shape changes, so each window is computed in a
batch whose shape depends on nothing but the window's own length. That makes a vector a function
of its text alone: the same bytes whether it is encoded with others, alone, or read from a cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LENGTH_STEP = 32


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows of about the same length: `rows` are their numbers, -1 where a row only fills the shape."""

    rows: tuple[int, ...]
    length: int


def cut_windows(tokens: Sequence[int], window: int, max_windows: int) -> list[list[int]]:
    """Return the first `max_windows` runs of `window` tokens; an empty text is one empty window."""
    starts = range(0, max(len(tokens), 1), window)
    return [list(tokens[start : start + window]) for start in starts[:max_windows]]


def padded_length(length: int) -> int:
    """Return the length of the batch that a window of `length` tokens is computed in."""
    return -(-max(length, 1) // LENGTH_STEP) * LENGTH_STEP


def plan_batches(lengths: Sequence[int], batch_tokens: int) -> list[Batch]:
    """Return batches that cover all windows, the longest first, each with its shape filled."""
    padded = np.array([padded_length(length) for length in lengths], dtype=np.int64)
    batches: list[Batch] = []
    for length in sorted(set(padded.tolist()), reverse=True):
        rows = np.flatnonzero(padded == length).tolist()
        size = max(1, batch_tokens // length)
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            batches.append(Batch(tuple(chosen + [-1] * (size - len(chosen))), length))
    return batches


def pool_windows(
    vectors: NDArray[np.float32], owners: Sequence[int], weights: Sequence[int], count: int
) -> NDArray[np.float32]:
    """Return one unit row a text: the mean of its windows' vectors, weighted by their tokens."""
    pooled = np.zeros((count, vectors.shape[1]), dtype=np.float64)
    np.add.at(pooled, np.asarray(owners), vectors * np.asarray(weights, dtype=np.float64)[:, None])
    norms = np.linalg.norm(pooled, axis=1, keepdims=True)
    return (pooled / np.where(norms > 0, norms, 1.0)).astype(np.float32)
