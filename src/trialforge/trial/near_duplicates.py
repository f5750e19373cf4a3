"""Texts that say nearly the same: proposed by MinHash (Broder 1997), decided by their n-grams.

Of each text only the keys of its bands are kept, some hundred bytes: n-grams are made again for the few texts
that are proposed. So half a million texts take no more than a table of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import pairwise
from zlib import crc32

import numpy as np
import polars as pl
from datasketch import MinHash, MinHashLSH

from trialforge.core.pieces import map_in_order
from trialforge.core.progress import QUIET_SECONDS, Progress

NGRAM = 5
PERMUTATIONS = 128
CHUNK = 4096  # texts that are read together
_HIGHEST = 0.95  # datasketch finds no bands for a higher threshold of few permutations
_PAIRS = 8192  # pairs whose n-grams are compared together
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)


@dataclass(frozen=True, slots=True)
class Sketches:
    """What is kept of some texts.

    Attributes:
        keys: a number of 64 bits for each text and band (n, bands); texts that may be near share one.
        digests: a hash of all n-grams of each text, empty where it has none.
    """

    keys: np.ndarray
    digests: list[bytes]

    def take(self, places: np.ndarray) -> Sketches:
        """Return the sketches of the texts at the given places."""
        return Sketches(self.keys[places], [self.digests[place] for place in places])


def sketch_texts(chunks: Iterable[pl.Series], threshold: float, permutations: int = PERMUTATIONS) -> Sketches:
    """Return the sketches of all texts, to be asked which share `threshold` of their n-grams.

    Args:
        chunks: the texts, some thousands at a time: each is a piece of work.
        threshold: the least share (Jaccard).
        permutations: of MinHash.
    """
    parts: list[Sketches] = []
    with Progress("signatures", None, quiet_seconds=QUIET_SECONDS) as progress:
        for part in map_in_order(partial(_sketch, threshold, permutations), chunks):
            parts.append(part)
            progress.advance(len(part.digests))
    keys = [part.keys for part in parts]
    digests = [digest for part in parts for digest in part.digests]
    return Sketches(np.concatenate(keys) if keys else np.zeros((0, 0), np.uint64), digests)


def _sketch(threshold: float, permutations: int, texts: pl.Series) -> Sketches:
    # Weighed so that few pairs are missed: what is proposed too much, the exact share refuses.
    bands = MinHashLSH(threshold=min(threshold, _HIGHEST), num_perm=permutations, weights=(0.1, 0.9))
    empty = MinHash(num_perm=permutations, scheme="affine32", hashfunc=int)
    values = np.zeros((len(texts), bands.b * bands.r), dtype=np.uint64)
    digests = []
    for place, ngrams in enumerate(hash_ngrams(texts)):
        digests.append(blake2b(ngrams.tobytes(), digest_size=16).digest() if len(ngrams) else b"")
        sketch = empty.copy()
        sketch.update_batch(ngrams.tolist())
        values[place] = sketch.hashvalues[: values.shape[1]]
    keys = np.zeros((len(texts), bands.b), dtype=np.uint64)
    for row in range(bands.r):  # band b has the values from b * r on
        keys = (keys ^ values[:, row :: bands.r]) * _MIX
        keys ^= keys >> np.uint64(32)
    return Sketches(keys, digests)


def near_pairs(
    sketches: Sketches, read: Callable[[np.ndarray], pl.Series], threshold: float, begin: int = 0
) -> Iterator[tuple[int, int, float]]:
    """Yield the place of a text, that of an earlier one that is near, and their share of equal n-grams.

    Pairs come in the order of the first, then of the second.

    Args:
        sketches: of all texts, made for this threshold.
        read: returns the texts at some places.
        threshold: the least share (Jaccard).
        begin: the first text that is asked for.
    """
    later, earlier = _propose(sketches, begin)
    for start in range(0, len(later), _PAIRS):
        block = later[start : start + _PAIRS], earlier[start : start + _PAIRS]
        places = np.unique(np.concatenate(block))
        ngrams = dict(zip(places.tolist(), hash_ngrams(read(places)), strict=True))
        for one, other in zip(*(side.tolist() for side in block), strict=True):
            share = jaccard(ngrams[one], ngrams[other])
            if share >= threshold:
                yield one, other, share


def _propose(sketches: Sketches, begin: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of places that share the key of a band, the later one first, sorted."""
    count = len(sketches.digests)
    filled = np.flatnonzero([digest != b"" for digest in sketches.digests])
    found = np.zeros(0, dtype=np.int64)
    for keys in sketches.keys[filled].T:
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.concatenate([[True], keys[order][1:] != keys[order][:-1]]))
        before = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
        places = filled[order]
        before[places < begin] = 0
        # Each place of a run of equal keys with all places of the run before it.
        ends = np.repeat(np.arange(len(order)), before)
        back = np.arange(len(ends)) - np.repeat(np.cumsum(before) - before, before) + 1
        found = np.union1d(found, places[ends] * count + places[ends - back])
    return found // max(count, 1), found % max(count, 1)


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Return the share of the n-grams of either text that both have; 0 where neither has one."""
    shared = np.intersect1d(one, other, assume_unique=True).size
    return float(shared / max(one.size + other.size - shared, 1))


def hash_ngrams(texts: pl.Series) -> Iterator[np.ndarray]:
    """Yield for each text the sorted distinct hashes (32 bits) of its 5-grams; none without a word.

    A text of fewer words is one run.
    """
    for chunk in texts.rename("text").to_frame().iter_slices(CHUNK):
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
