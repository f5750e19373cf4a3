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
    # One column after the other: as numbers its words take a tenth of their texts.
    coded, starts = [], []
    for column in columns:
        words = split_words(column)
        starts.append(np.concatenate([[0], np.cumsum(words.list.len().cast(pl.Int64).to_numpy())]))
        coded.append(words.explode(empty_as_null=False).cast(pl.Categorical))
    # Categories are shared by the whole process: number the present ones from 0.
    codes = [words.to_physical().to_numpy() for words in coded]
    is_present = np.zeros(1 + max((int(ids.max()) for ids in codes if len(ids)), default=-1), dtype=bool)
    for ids in codes:
        is_present[ids] = True
    numbers = np.cumsum(is_present) - 1
    present = int(is_present.sum())
    return [Words(numbers[ids], begin, present) for ids, begin in zip(codes, starts, strict=True)]
