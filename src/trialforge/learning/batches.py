"""Texts as windows of tokens, and windows as batches of about one length. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LENGTH_STEP = 8
SORTED_BATCHES = 16


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as its windows, each with the special tokens of the model."""

    windows: tuple[tuple[int, ...], ...]

    @property
    def length(self) -> int:
        """Tokens of the longest window."""
        return max(len(window) for window in self.windows)

    @property
    def tokens(self) -> int:
        """Tokens of all windows."""
        return sum(len(window) for window in self.windows)


def draw_epoch(count: int, size: int, stream: np.random.Generator) -> NDArray[np.int64]:
    """Return `size` positions below `count`: whole shuffles one after another, so that all are seen alike."""
    turns = [stream.permutation(count) for _ in range(-(-size // count))]
    return np.concatenate(turns)[:size].astype(np.int64)


def bucket(
    lengths: Sequence[int], order: NDArray[np.int64], batch_size: int, stream: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return batches of texts of about one length, in random order.

    Positions are sorted by length only within runs of 16 batches of their random order, so that a
    batch is still a random draw of texts of a length (the gain of padding to the longest is kept).
    """
    run = batch_size * SORTED_BATCHES
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), run):
        part = order[start : start + run]
        part = part[np.argsort([lengths[position] for position in part], kind="stable")]
        batches.extend(part[first : first + batch_size] for first in range(0, len(part), batch_size))
    return [batches[number] for number in stream.permutation(len(batches))]


def pad(
    texts: Sequence[Encoded], pad_token: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return token ids and mask (windows, length), and the text that each window is of."""
    windows = [window for text in texts for window in text.windows]
    owners = [number for number, text in enumerate(texts) for _ in text.windows]
    length = -(-max(len(window) for window in windows) // LENGTH_STEP) * LENGTH_STEP
    ids = np.full((len(windows), length), pad_token, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window)] = window
        mask[row, : len(window)] = 1
    return ids, mask, np.array(owners, dtype=np.int64)
