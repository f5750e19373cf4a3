"""How much of a text stands in one single trial, where common words count for nothing?

A copy has one source. What real trials share by custom stands in many trials, and few of its rare words in
any one of them. So this finds copies whose order, case or every eighth word was changed.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from trialforge.trial.words import Words, number_words

RUN = 3  # words of an n-gram of a passage
COMMON = 0.05  # what more than this share of trials have weighs nothing
OWN = 10.0  # added to the weight of a field, so that one of few words is not easily a whole copy
_CHUNK = 256  # texts that are looked up in all trials at a time


def share_with_one(
    ours: pl.DataFrame, theirs: pl.DataFrame, shown: pl.DataFrame | None, whole: str
) -> pl.DataFrame:
    """Return how much each field of each record shares with the one trial that has most of it.

    A word or n-gram weighs the logarithm of trials in all by those that have it (inverse document frequency).

    Args:
        ours: `record`, `field`, `text` of the items of records, see `field_items`.
        theirs: the same of trials.
        shown: `record` and `trial`, numbers of the trials that a record is compared with; None means all.
        whole: the name of all fields of a record together.

    Returns:
        `record`, `field`, `closest` (weighed share of the different words), `amount` (weight of the different
        n-grams of RUN words) and `passage` (the same of the item that shares most).
    """
    words, trial_words = number_words(ours["text"], theirs["text"])
    rows = ours.select(
        "record",
        field=pl.struct("record", "field").rank("dense") - 1,
        every=pl.col("record").rank("dense") - 1,
    )
    keys = ours.select("record", "field", row=rows["field"]).unique("row").sort("row").drop("row")
    records = ours["record"].unique().sort()
    table = pl.concat(
        [keys, pl.DataFrame({"record": records, "field": [whole] * len(records)}, schema=keys.schema)]
    )
    trials = theirs["record"].to_numpy()
    pairs = None if shown is None else shown.select("record", "trial").cast(pl.UInt32)
    # A row for each field, and then for each record.
    level = [rows["field"].to_numpy(), rows["every"].to_numpy() + len(keys)]
    single = _Shared(words, trial_words, trials, 1)
    runs = _Shared(words, trial_words, trials, RUN)
    shared, total = single.largest(level, table["record"], pairs)
    amount, _ = runs.largest(level, table["record"], pairs)
    passages, _ = runs.largest([np.arange(len(ours))], ours["record"], pairs)
    passage = np.zeros(len(table))
    for places in level:
        np.maximum.at(passage, places, passages)
    return table.with_columns(
        closest=pl.Series(shared / (total + OWN)), amount=pl.Series(amount), passage=pl.Series(passage)
    )


class _Shared:
    """N-grams of texts and of trials, and what each weighs."""

    def __init__(self, ours: Words, theirs: Words, trials: np.ndarray, length: int) -> None:
        self._owners, mine = _ngrams(ours, length)
        texts, keys = _ngrams(theirs, length)
        known, columns = np.unique(keys, return_inverse=True)
        rows = trials[texts]
        count = len(np.unique(trials))
        shape = int(trials.max(initial=0)) + 1, len(known) + 1  # the last is what no trial has
        self._trials = _incidence(rows, columns, shape)
        having = np.asarray(self._trials.sum(axis=0)).ravel()
        self._weights = np.where(
            having <= max(COMMON * count, 3), np.log((count + 1) / (having + 1)), 0
        ).astype(np.float32)
        places = np.searchsorted(known, mine)
        places[places == len(known)] = 0
        found = known[places] == mine if len(known) else np.zeros(len(mine), bool)
        self._found, self._places, self._keys = found, places, mine

    def largest(
        self, level: list[np.ndarray], records: pl.Series, pairs: pl.DataFrame | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return, by row, the weight that one trial has of it, and the weight of all of it.

        `level` has arrays of the row that each text is a part of, `records` the record of each row.
        """
        n = len(records)
        rows = np.concatenate([places[self._owners] for places in level])
        found, places, keys = (np.tile(one, len(level)) for one in (self._found, self._places, self._keys))
        matrix = _incidence(rows[found], places[found], (n, self._trials.shape[1]))
        matrix = sparse.csr_matrix(matrix.multiply(self._weights))
        new = pl.DataFrame({"row": rows[~found], "key": keys[~found]}).unique()["row"].to_numpy()
        total = np.asarray(matrix.sum(axis=1)).ravel() + np.bincount(new, minlength=n) * self._weights[-1]
        return self._most(matrix, records, pairs), total

    def _most(self, matrix: sparse.csr_matrix, records: pl.Series, pairs: pl.DataFrame | None) -> np.ndarray:
        most = np.zeros(matrix.shape[0])
        if pairs is None:
            turned = self._trials.T.tocsr()
            for begin in range(0, len(most), _CHUNK):
                shared = matrix[begin : begin + _CHUNK] @ turned
                most[begin : begin + _CHUNK] = shared.max(axis=1).toarray().ravel()
            return most
        rows = pl.DataFrame({"record": records}).with_row_index("row").join(pairs, on="record")
        row, trial = rows["row"].to_numpy(), rows["trial"].to_numpy()
        there = trial < self._trials.shape[0]  # the last trials may have no text
        shared = matrix[row[there]].multiply(self._trials[trial[there]]).sum(axis=1)
        np.maximum.at(most, row[there], np.asarray(shared).ravel())
        return most


def _ngrams(words: Words, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the text and the number of each n-gram; a text of fewer words is one n-gram."""
    places, ends = np.arange(len(words.ids)), words.ends
    begins = (places + length <= ends) | (places == np.repeat(words.starts[:-1], words.lengths))
    places, ends, owners = places[begins], ends[begins], words.owners[begins]
    numbers = words.ids[places].astype(np.int64)
    for step in range(1, length):
        after = np.minimum(places + step, len(words.ids) - 1)
        following = np.where(places + step < ends, words.ids[after], words.vocabulary)
        numbers = numbers * (words.vocabulary + 1) + following
    return owners, numbers


def _incidence(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Return a matrix that is 1 where a row has a column."""
    matrix = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    matrix.data[:] = 1  # a pair that occurs twice was added up
    return matrix
