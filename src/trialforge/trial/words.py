"""Texts as word numbers in one flat array, the form in which n-grams are counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

WORD = r"[\p{L}\p{N}]+"
_UNSEEN = r"[\p{M}\p{Cf}]"  # marks that change a letter, and characters without a form


@dataclass(frozen=True, slots=True)
class Words:
    """The words of some texts: `ids` of all words in order, text i being `ids[starts[i]:starts[i + 1]]`.

    Numbers stand for the same word only within one call of `number_words`; `vocabulary` is their count.
    """

    ids: np.ndarray
    starts: np.ndarray
    vocabulary: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Return the number of words of each text."""
        return np.diff(self.starts)

    @property
    def owners(self) -> np.ndarray:
        """Return the text that each word is of."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def ends(self) -> np.ndarray:
        """Return, for each word, where its text ends."""
        return np.repeat(self.starts[1:], self.lengths)

    def take(self, places: np.ndarray) -> Words:
        """Return the texts at the given places, which may repeat, under the same numbers."""
        lengths = self.lengths[places]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        moved = np.repeat(self.starts[places] - starts[:-1], lengths)
        return Words(self.ids[moved + np.arange(starts[-1])], starts, self.vocabulary)


def split_words(texts: pl.Series) -> pl.Series:
    """Return the lower-case words (letters and digits) of each text as a list.

    Accents, soft hyphens and other letters' forms make no other word: copies are found in spite of them.
    """
    plain = texts.fill_null("").str.normalize("NFKD").str.replace_all(_UNSEEN, "")
    return plain.str.to_lowercase().str.extract_all(WORD)


def number_words(*columns: pl.Series) -> list[Words]:
    """Return the words of each column of texts, numbered alike in all of them."""
    lists = [split_words(column) for column in columns]
    flat = pl.concat([words.explode(empty_as_null=False) for words in lists])
    ids = flat.cast(pl.Categorical).to_physical().cast(pl.Int64).to_numpy() if len(flat) else np.empty(0, int)
    # Categories may be shared by the whole process: number the present ones from 0.
    present, ids = np.unique(ids, return_inverse=True)
    numbered, begin = [], 0
    for words in lists:
        starts = np.concatenate([[0], np.cumsum(words.list.len().cast(pl.Int64).to_numpy())])
        numbered.append(Words(ids[begin : begin + starts[-1]], starts, len(present)))
        begin += starts[-1]
    return numbered
