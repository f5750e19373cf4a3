"""Distances between many rows, a block at a time, so that no step is quadratic in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BLOCK_CELLS = 8_000_000


def distance_blocks(rows: np.ndarray, others: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield Euclidean distances of a block of `rows` to all `others`, with the rows it covers."""
    squares = np.einsum("ij,ij->i", others, others)
    step = max(1, BLOCK_CELLS // max(len(others), 1))
    for begin in range(0, len(rows), step):
        block = rows[begin : begin + step]
        product = block @ others.T
        product *= -2
        product += np.einsum("ij,ij->i", block, block)[:, None]
        product += squares
        np.maximum(product, 0, out=product)
        yield slice(begin, begin + len(block)), np.sqrt(product, out=product)


def nearest_distances(rows: np.ndarray, others: np.ndarray | None, k: int) -> np.ndarray:
    """Return the distances to the `k` nearest of `others`, nearest first (n, k).

    With `others` None a row meets the other rows, not itself. Where there are fewer than k, the rest
    is infinity.
    """
    reference = rows if others is None else others
    nearest = np.full((len(rows), k), np.inf)
    for covered, distances in distance_blocks(rows, reference):
        if others is None:
            distances[np.arange(len(distances)), np.arange(covered.start, covered.stop)] = np.inf
        taken = min(k, distances.shape[1])
        part = np.partition(distances, taken - 1, axis=1)[:, :taken]
        nearest[covered, :taken] = np.sort(part, axis=1)
    return nearest
