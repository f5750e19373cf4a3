"""Texts that say nearly the same: proposed by MinHash (Broder 1997), decided by their n-grams."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from zlib import crc32

import numpy as np
import polars as pl
from datasketch import MinHash, MinHashLSH

NGRAM = 5
PERMUTATIONS = 128
_HIGHEST = 0.95  # datasketch finds no bands for a higher threshold of few permutations
_CHUNK = 4096
_BASE = np.uint64(0x9E3779B97F4A7C15)


class NearDuplicates:
    """Texts under numbers, to be asked which of them share `threshold` of their n-grams (Jaccard)."""

    def __init__(self, threshold: float, permutations: int = PERMUTATIONS) -> None:
        self._threshold = threshold
        self._empty = MinHash(num_perm=permutations, scheme="affine32", hashfunc=int)
        # Weighed so that few pairs are missed: what is proposed too much, the exact share refuses.
        proposed = min(threshold, _HIGHEST)
        self._index = MinHashLSH(threshold=proposed, num_perm=permutations, weights=(0.1, 0.9))
        self._ngrams: dict[int, np.ndarray] = {}

    def add(self, number: int, ngrams: np.ndarray) -> None:
        """Remember a text."""
        self._remember(number, ngrams, self._sketch(ngrams))

    def find_and_add(self, number: int, ngrams: np.ndarray) -> list[tuple[int, float]]:
        """Return numbers and shares of the texts so far that are near, by number; then remember this one."""
        sketch = self._sketch(ngrams)
        shares = [
            (other, jaccard(ngrams, self._ngrams[other])) for other in sorted(self._index.query(sketch))
        ]
        self._remember(number, ngrams, sketch)
        return [(other, share) for other, share in shares if share >= self._threshold]

    def _sketch(self, ngrams: np.ndarray) -> MinHash:
        sketch = self._empty.copy()
        if len(ngrams):
            sketch.update_batch(ngrams)
        return sketch

    def _remember(self, number: int, ngrams: np.ndarray, sketch: MinHash) -> None:
        self._index.insert(number, sketch, check_duplication=False)
        self._ngrams[number] = ngrams


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Return the share of the n-grams of either text that both have; 0 where neither has one."""
    shared = np.intersect1d(one, other, assume_unique=True).size
    return float(shared / max(one.size + other.size - shared, 1))


def hash_ngrams(texts: pl.Series) -> Iterator[np.ndarray]:
    """Yield for each text the sorted distinct hashes (32 bits) of its 5-grams; none without a word.

    A text of fewer words is one run.
    """
    for chunk in texts.rename("text").to_frame().iter_slices(_CHUNK):
        numbered = chunk.with_row_index("row")
        words = numbered.select("row", pl.col("text").str.to_lowercase().str.extract_all(r"\w+"))
        words = words.explode("text").drop_nulls()
        distinct = words["text"].unique().sort()
        hashes = pl.DataFrame({"text": distinct, "hash": [crc32(word.encode()) for word in distinct]})
        hashed = words.join(hashes, on="text", maintain_order="left")
        values = hashed["hash"].to_numpy().astype(np.uint64)
        bounds = np.searchsorted(hashed["row"].to_numpy(), np.arange(len(chunk) + 1))
        for begin, end in pairwise(bounds):
            yield _hash_ngrams(values[begin:end])


def _hash_ngrams(words: np.ndarray) -> np.ndarray:
    if not len(words):
        return np.empty(0, np.uint32)
    length = max(len(words) - NGRAM + 1, 1)
    mixed = np.zeros(length, np.uint64)
    for place in range(min(NGRAM, len(words))):
        mixed = mixed * _BASE + words[place : place + length]
    return np.unique((mixed * _BASE >> np.uint64(32)).astype(np.uint32))
