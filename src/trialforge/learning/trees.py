"""Gradient-boosted trees as arrays: written out from scikit-learn, and walked by numpy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trialforge.core.errors import LearningError
from trialforge.learning.storage import read_arrays, write_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.learning.classifier import Scores

MOST_CODES = 256  # a category is a number below it
_LAYOUT = {
    "baseline": ("F64", (1,)),
    "roots": ("I32", (None,)),
    "feature": ("I32", (None,)),
    "threshold": ("F64", (None,)),
    "codes": ("I32", (None,)),
    "missing_left": ("BOOL", (None,)),
    "left": ("I32", (None,)),
    "right": ("I32", (None,)),
    "value": ("F64", (None,)),
    "codes_left": ("BOOL", (None, MOST_CODES)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """Binary trees, whose nodes stand one after the other; a child stands after its parent.

    Attributes:
        baseline: (1,) log-odds before any tree.
        roots: (trees,) the first node of each.
        feature: (nodes,) the column that a node looks at; -1 in a leaf.
        threshold: (nodes,) a value of at most this goes left.
        codes: (nodes,) the row of `codes_left` that decides for a category; -1 where the threshold does.
        missing_left: (nodes,) whether a missing value goes left.
        left, right: (nodes,) the nodes below.
        value: (nodes,) what a leaf adds to the log-odds.
        codes_left: (splits, 256) whether a category of that number goes left.
    """

    baseline: NDArray[np.float64]
    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    codes: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    codes_left: NDArray[np.bool_]

    @classmethod
    def of(cls, model: Any) -> Trees:
        """Return the trees of a fitted `HistGradientBoostingClassifier` of two classes.

        Its categories must be the numbers from 0 on, and each must be in what it was fitted on: then the
        encoder that it keeps for them changes nothing.
        """
        predictors = [predictor for (predictor,) in model._predictors]  # noqa: SLF001  no public name
        counts = [len(predictor.nodes) for predictor in predictors]
        splits = [len(predictor.raw_left_cat_bitsets) for predictor in predictors]
        # Where each tree starts among all nodes, and among all rows of `codes_left`; a number for each node.
        first = np.repeat(np.cumsum([0, *counts[:-1]]), counts)
        first_split = np.repeat(np.cumsum([0, *splits[:-1]]), counts)
        nodes = np.concatenate([predictor.nodes for predictor in predictors])
        leaf, coded = nodes["is_leaf"] == 1, nodes["is_categorical"] == 1
        bits = np.concatenate([predictor.raw_left_cat_bitsets for predictor in predictors])
        return cls(
            baseline=np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1),  # noqa: SLF001
            roots=np.cumsum([0, *counts[:-1]]).astype(np.int32),
            feature=np.where(leaf, -1, nodes["feature_idx"]).astype(np.int32),
            threshold=np.where(leaf | coded, 0.0, nodes["num_threshold"]),
            codes=np.where(coded & ~leaf, nodes["bitset_idx"] + first_split, -1).astype(np.int32),
            missing_left=nodes["missing_go_to_left"] == 1,
            left=np.where(leaf, 0, nodes["left"] + first).astype(np.int32),
            right=np.where(leaf, 0, nodes["right"] + first).astype(np.int32),
            value=np.where(leaf, nodes["value"], 0.0),
            codes_left=np.unpackbits(
                bits.astype("<u4").view(np.uint8), axis=1, count=MOST_CODES, bitorder="little"
            ).astype(np.bool_),
        )

    def log_odds(self, rows: NDArray[np.float64]) -> Scores:
        """Return the log-odds of each row; NaN is a missing value."""
        total = np.full(len(rows), self.baseline[0])
        for root in self.roots:
            total += self.value[self._leaves(root, rows)]
        return total

    def _leaves(self, root: np.int32, rows: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return the leaf that each row comes to; all rows go down one step at a time."""
        at = np.full(len(rows), root)
        going = np.flatnonzero(self.feature[at] >= 0)
        while going.size:
            node = at[going]
            values = rows[going, self.feature[node]]
            left = values <= self.threshold[node]
            missing = np.isnan(values)
            coded = (self.codes[node] >= 0) & ~missing
            left[coded] = self.codes_left[self.codes[node[coded]], values[coded].astype(np.intp)]
            left[missing] = self.missing_left[node[missing]]
            at[going] = np.where(left, self.left[node], self.right[node])
            going = going[self.feature[at[going]] >= 0]
        return at

    def save(self, path: Path) -> None:
        """Write all arrays as safetensors."""
        write_arrays(asdict(self), path)

    @classmethod
    def load(cls, path: Path, *, columns: int, categories: int) -> Trees:
        """Return what `save` wrote.

        Args:
            path: the file.
            columns: of the rows that the trees will see.
            categories: how many of them, the first ones, hold numbers of categories.

        Raises:
            LearningError: the file is absent or damaged, or its arrays are no trees on such rows.
        """
        trees = cls(**read_arrays(path, _LAYOUT))
        fault = trees._fault(columns, categories)
        if fault:
            raise LearningError(f"{path} holds no trees: {fault}", hint="get the folder of the model again")
        return trees

    def _fault(self, columns: int, categories: int) -> str | None:
        """Return why a walk could leave the arrays or never end; None if it can't."""
        count = len(self.feature)
        by_node = (self.threshold, self.codes, self.missing_left, self.left, self.right, self.value)
        if any(len(array) != count for array in by_node):
            return "the arrays of its nodes differ in length"
        inner = np.flatnonzero(self.feature != -1)
        below = np.concatenate([self.left[inner], self.right[inner]])
        coded = np.flatnonzero(self.codes != -1)
        if not (_within(self.roots, 0, count) and _within(below, 0, count)):
            return "a node is not there"
        if (below <= np.tile(inner, 2)).any():
            return "a node stands before its parent"
        if not _within(self.feature[inner], 0, columns):
            return f"a node looks at a column that is none of {columns}"
        if not (
            _within(self.codes[coded], 0, len(self.codes_left))
            and _within(self.feature[coded], -1, categories)
        ):
            return "a category is not there"
        if not (np.isfinite(self.value).all() and np.isfinite(self.baseline).all()):
            return "a leaf is not a finite number"
        return None


def _within(numbers: NDArray[np.int32], least: int, beyond: int) -> bool:
    return bool(((numbers >= least) & (numbers < beyond)).all())
