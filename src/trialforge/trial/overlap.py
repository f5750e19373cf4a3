"""Which n-grams do texts share with a set of references, and how long is the longest?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from trialforge.trial.words import Words


@dataclass(frozen=True, slots=True)
class Overlap:
    """What each query text shares with the references.

    `reach` is, for each word of the queries, how long the longest run is that begins there and stands in
    a reference; `owners` is the text of each word, `words` the number of words of each text.
    """

    reach: np.ndarray
    owners: np.ndarray
    words: np.ndarray

    @property
    def longest(self) -> np.ndarray:
        """Return, by text, the words of its longest shared run."""
        longest = np.zeros(len(self.words), dtype=np.int64)
        np.maximum.at(longest, self.owners, self.reach)
        return longest

    def has_ngram(self, length: int, beyond: Overlap | None = None) -> np.ndarray:
        """Return, by text, whether it shares a n-gram of `length` words (that is not shared in `beyond`)."""
        begins = self.reach >= length
        if beyond is not None:
            begins &= beyond.reach < length
        return np.bincount(self.owners[begins], minlength=len(self.words)) > 0

    def covered(self, length: int) -> np.ndarray:
        """Return, by text, the share of its n-grams of `length` words that are shared; 0 if shorter."""
        shared = np.bincount(self.owners[self.reach >= length], minlength=len(self.words))
        share: np.ndarray = shared / np.maximum(self.words - length + 1, 1)
        return share


def match_ngrams(
    queries: Words, references: Words, groups: tuple[np.ndarray, np.ndarray] | None = None
) -> Overlap:
    """Return the exact overlap of each query with all references, or with those of its own group.

    N-grams are refined word by word, as a suffix array is: the number of an n-gram of n + 1 words is the pair
    of its first n words' number and its next word, and only n-grams that stand on both sides go on. So
    memory is linear in the words and no hash can collide.

    Args:
        queries: texts to look at.
        references: texts to look in, numbered together with the queries.
        groups: the group of each query and of each reference; a query meets its own group only.
    """
    keys, places = _start(queries, groups[0] if groups else None)
    reference_keys, reference_places = _start(references, groups[1] if groups else None)
    ends, reference_ends = queries.ends, references.ends
    reach = np.zeros(len(queries.ids), dtype=np.int32)
    length = 1
    while len(keys):
        ours = pl.DataFrame({"key": keys}).unique().with_row_index("number")
        numbers, found = _look_up(keys, ours).to_numpy(), _look_up(reference_keys, ours)
        shared, theirs = found.is_not_null().to_numpy(), found.drop_nulls().to_numpy()
        known = np.zeros(len(ours), dtype=bool)
        known[theirs] = True
        number = np.cumsum(known) - 1  # of an n-gram of both sides
        kept = known[numbers]
        keys, places = number[numbers[kept]], places[kept]
        reference_keys, reference_places = number[theirs], reference_places[shared]
        reach[places] = length
        keys, places = _extend(queries, keys, places, ends, length)
        reference_keys, reference_places = _extend(
            references, reference_keys, reference_places, reference_ends, length
        )
        length += 1
    return Overlap(reach, queries.owners, queries.lengths)


def _start(words: Words, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    places = np.arange(len(words.ids))
    if groups is None:
        return words.ids, places
    return np.repeat(groups.astype(np.int64), words.lengths) * words.vocabulary + words.ids, places


def _look_up(keys: np.ndarray, table: pl.DataFrame) -> pl.Series:
    """Return the number of each key; null for one that the table lacks."""
    return pl.DataFrame({"key": keys}).join(table, on="key", how="left", maintain_order="left")["number"]


def _extend(
    words: Words, keys: np.ndarray, places: np.ndarray, ends: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    goes_on = places + length < ends[places]
    keys, places = keys[goes_on], places[goes_on]
    return keys * words.vocabulary + words.ids[places + length], places
