"""What a classifier of the study reads of each trial, computed once for all pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy import sparse

from trialforge.trial.words import WORD

if TYPE_CHECKING:
    from trialforge.learning.linear import VectorClassifier, WordClassifier

    Reader = WordClassifier | VectorClassifier


class Features:
    """Rows of features by text.

    Words and their weights are those of the texts of all blocks, without labels, in every arm and in pools of
    every size: arms then differ by what they learn from, and not by the words that they can see.

    Args:
        reader: the classifier; it learns its words from `known`.
        known: texts of all real trials of the study.
        tables: examples that will be asked for; other texts are read when they are first asked for.
    """

    def __init__(self, reader: Reader, known: pl.Series, tables: list[pl.DataFrame]) -> None:
        self._reader = reader
        reader.learn_features(known.to_list())
        texts = pl.concat([table.select("text") for table in tables]).unique(maintain_order=True)
        self._places = {text: place for place, text in enumerate(texts["text"])}
        self._rows: Any = reader.rows(texts)

    def rows(self, examples: pl.DataFrame) -> Any:
        """Return the features of examples, one row each."""
        texts = examples["text"].to_list()
        new = [text for text in dict.fromkeys(texts) if text not in self._places]
        if new:
            self._places |= {text: place for place, text in enumerate(new, start=len(self._places))}
            self._rows = _stack(self._rows, self._reader.rows(pl.DataFrame({"text": new})))
        return self._rows[np.array([self._places[text] for text in texts], dtype=np.int64)]


def _stack(rows: Any, more: Any) -> Any:
    return np.vstack([rows, more]) if isinstance(rows, np.ndarray) else sparse.vstack([rows, more], "csr")


def content_view(table: pl.DataFrame) -> pl.DataFrame:
    """Return examples whose text is the different words that bear content, in order of the alphabet.

    How often, in what order and in which case words stand is style, by which synthetic trials differ.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    words = pl.col("text").str.to_lowercase().str.extract_all(WORD)
    bearing = words.list.unique().list.set_difference(sorted(ENGLISH_STOP_WORDS)).list.sort()
    return table.with_columns(text=bearing.list.join(" "))
