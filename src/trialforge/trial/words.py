"""Texts as word numbers in one flat array, the form in which n-grams are counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

WORD = r"[\p{L}\p{N}]+"
_AT_ONCE = 2048  # texts
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
    coded = [_code_words(column) for column in columns]
    # Categories are shared by the whole process: number the present ones from 0.
    codes = [words.to_physical().to_numpy() for words, _ in coded]
    is_present = np.zeros(1 + max((int(ids.max()) for ids in codes if len(ids)), default=-1), dtype=bool)
    for ids in codes:
        is_present[ids] = True
    numbers, present = np.cumsum(is_present) - 1, int(is_present.sum())
    return [
        Words(numbers[ids], np.concatenate([[0], np.cumsum(lengths)]), present)
        for ids, (_, lengths) in zip(codes, coded, strict=True)
    ]


def _code_words(texts: pl.Series) -> tuple[pl.Series, np.ndarray]:
    """Return the words of texts as one categorical column, and how many each text has.

    Some texts after the others: as categories words take a tenth of their memory as texts.
    """
    coded, lengths = [], []
    for start in range(0, max(len(texts), 1), _AT_ONCE):
        words = split_words(texts.slice(start, _AT_ONCE))
        lengths.append(words.list.len().cast(pl.Int64).to_numpy())
        coded.append(words.explode(empty_as_null=False).cast(pl.Categorical))
    return pl.concat(coded), np.concatenate(lengths)
