"""How much of a text stands in one single trial, where common words count for nothing?

A copy has one source. What real trials share by custom stands in many trials, and few of its rare words in
any one of them. So this finds copies whose order, case or every eighth word was changed.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from trialforge.trial.copies import Items
from trialforge.trial.words import Words

RUN = 3  # words of an n-gram of a passage
COMMON = 0.05  # what more than this share of trials have weighs nothing
OWN = 10.0  # added to the weight of a field, so that one of few words is not easily a whole copy
_DIGITS = 9  # of a score
_CHUNK = 256  # texts that are looked up in all trials at a time
_PAIRS = 4096  # of a text and a trial, looked up at a time


class Sources:
    """Trials in which each field of a record is looked for, by words and by n-grams.

    A word or n-gram weighs the logarithm of trials in all by those that have it (inverse document frequency).
    """

    def __init__(self, trials: Items) -> None:
        owners = trials.frame["record"].to_numpy()
        self._words, self._runs = (_Weighed(trials.words, owners, length) for length in (1, RUN))

    def share_with_one(self, ours: Items, shown: pl.DataFrame | None, whole: str) -> pl.DataFrame:
        """Return how much each field of each record shares with the one trial that has most of it.

        Args:
            ours: the items of records, numbered together with those of the trials.
            shown: `record` and `trial`, numbers of the trials that a record is compared with; None means all.
            whole: the name of all fields of a record together.

        Returns:
            `record`, `field`, `closest` (weighed share of the different words), `amount` (weight of the
            different n-grams of RUN words) and `passage` (the same of the item that shares most).
        """
        rows = ours.frame.select(
            "record",
            field=pl.struct("record", "field").rank("dense") - 1,
            every=pl.col("record").rank("dense") - 1,
        )
        keys = ours.frame.select("record", "field", row=rows["field"]).unique("row").sort("row").drop("row")
        records = ours.frame["record"].unique().sort()
        table = pl.concat(
            [keys, pl.DataFrame({"record": records, "field": [whole] * len(records)}, schema=keys.schema)]
        )
        pairs = None if shown is None else shown.select("record", "trial").cast(pl.UInt32)
        # A row for each field, and then for each record.
        level = [rows["field"].to_numpy(), rows["every"].to_numpy() + len(keys)]
        shared, total = self._words.largest(ours.words, level, table["record"], pairs)
        amount, _ = self._runs.largest(ours.words, level, table["record"], pairs)
        each = [np.arange(len(ours.frame))]
        passages, _ = self._runs.largest(ours.words, each, ours.frame["record"], pairs)
        passage = np.zeros(len(table))
        for places in level:
            np.maximum.at(passage, places, passages)
        scores = {"closest": shared / (total + OWN), "amount": amount, "passage": passage}
        # Rounded, so that the order of a sum makes no difference: records are compared with values that many
        # trials share.
        return table.with_columns(pl.Series(name, values).round(_DIGITS) for name, values in scores.items())


class _Weighed:
    """The n-grams of trials: what each weighs, and which trial has which."""

    def __init__(self, words: Words, trials: np.ndarray, length: int) -> None:
        self._length = length
        texts, keys = _ngrams(words, length)
        self._known, columns = np.unique(keys, return_inverse=True)
        count = len(np.unique(trials))
        shape = int(trials.max(initial=0)) + 1, len(self._known) + 1  # the last is what no trial has
        having = _incidence(trials[texts], columns, shape)
        times = np.asarray(having.sum(axis=0)).ravel()
        self._weights = np.where(times <= max(COMMON * count, 3), np.log((count + 1) / (times + 1)), 0)
        self._trials, self._turned = having, having.T.tocsr()

    def largest(
        self, words: Words, level: list[np.ndarray], records: pl.Series, pairs: pl.DataFrame | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return, by row, the weight that one trial has of it, and the weight of all of it.

        `level` has arrays of the row that each text is a part of, `records` the record of each row.
        """
        n = len(records)
        owners, keys = _ngrams(words, self._length)
        places = np.searchsorted(self._known, keys)
        places[places == len(self._known)] = 0
        found = self._known[places] == keys if len(self._known) else np.zeros(len(keys), bool)
        rows = np.concatenate([row_of_text[owners] for row_of_text in level])
        found, places, keys = (np.tile(one, len(level)) for one in (found, places, keys))
        matrix = _incidence(rows[found], places[found], (n, self._trials.shape[1]))
        matrix = sparse.csr_matrix(matrix.multiply(self._weights))
        matrix.eliminate_zeros()  # common words, which most trials have, would cost the most
        new = pl.DataFrame({"row": rows[~found], "key": keys[~found]}).unique()["row"].to_numpy()
        total = np.asarray(matrix.sum(axis=1)).ravel() + np.bincount(new, minlength=n) * self._weights[-1]
        return self._most(matrix, records, pairs), total

    def _most(self, matrix: sparse.csr_matrix, records: pl.Series, pairs: pl.DataFrame | None) -> np.ndarray:
        most = np.zeros(matrix.shape[0])
        if pairs is None:
            for begin in range(0, len(most), _CHUNK):
                shared = matrix[begin : begin + _CHUNK] @ self._turned
                shared.has_canonical_format = True  # so that `max` does not sort what has no duplicates
                most[begin : begin + _CHUNK] = shared.max(axis=1).toarray().ravel()
            return most
        rows = pl.DataFrame({"record": records}).with_row_index("row").join(pairs, on="record")
        row, trial = rows["row"].to_numpy(), rows["trial"].to_numpy()
        there = trial < self._trials.shape[0]  # the last trials may have no text
        row, trial = row[there], trial[there]
        for begin in range(0, len(row), _PAIRS):
            some = slice(begin, begin + _PAIRS)
            shared = matrix[row[some]].multiply(self._trials[trial[some]]).sum(axis=1)
            np.maximum.at(most, row[some], np.asarray(shared).ravel())
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
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
    matrix.data[:] = 1  # a pair that occurs twice was added up
    return matrix
