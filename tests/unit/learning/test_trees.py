"""Trees as arrays say what scikit-learn's own say, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from trialforge.core.errors import LearningError
from trialforge.learning.storage import write_arrays
from trialforge.learning.trees import Trees

COLUMNS, CATEGORIES = 7, 2


def draw_rows(count: int, seed: int) -> np.ndarray:
    """Two categories (of 200 and 3 words) and five numbers; a fifth of all is missing."""
    stream = np.random.default_rng(seed)
    rows = stream.normal(size=(count, COLUMNS))
    rows[:, 0], rows[:, 1] = np.arange(count) % 200, stream.integers(0, 3, count)
    rows[stream.random(rows.shape) < 0.2] = np.nan
    rows[:, 6] = np.where(stream.random(count) < 0.5, 1.0, np.nan)
    return rows


def fit(rows: np.ndarray, **settings: int) -> HistGradientBoostingClassifier:
    labels = (rows[:, 0] % 3 == 1) | (np.nan_to_num(rows[:, 2]) > 0.3) | np.isnan(rows[:, 6] * rows[:, 3])
    model = HistGradientBoostingClassifier(
        categorical_features=list(range(CATEGORIES)), early_stopping=False, random_state=0, **settings
    )
    return model.fit(rows, labels.astype(int))


@pytest.mark.parametrize(
    "settings",
    [{"max_iter": 60}, {"max_iter": 1, "max_leaf_nodes": 2}, {"max_iter": 5, "min_samples_leaf": 5000}],
    ids=["many", "stump", "leaves alone"],
)
def test_the_arrays_score_as_the_library_does(settings: dict[str, int], tmp_path: Path) -> None:
    rows = draw_rows(1200, seed=0)
    model = fit(rows, **settings)
    others = draw_rows(1000, seed=1)
    others[0], others[1] = np.nan, 0.0
    Trees.of(model).save(tmp_path / "trees.safetensors")
    trees = Trees.load(tmp_path / "trees.safetensors", columns=COLUMNS, categories=CATEGORIES)
    for table in (rows, others, others[:0], others[:1]):
        expected = model.decision_function(table) if len(table) else np.zeros(0)
        np.testing.assert_array_equal(trees.log_odds(table), expected)


@pytest.mark.parametrize(
    ("array", "value"),
    [
        ("left", 0),  # a walk that never ends
        ("right", 1 << 20),
        ("left", -1),
        ("feature", COLUMNS),
        ("feature", -2),
        ("codes", 1 << 20),
        ("codes", -2),
        ("roots", -5),
        ("value", np.inf),
        ("threshold", np.nan),
    ],
)
def test_arrays_that_are_no_trees_are_refused(array: str, value: float, tmp_path: Path) -> None:
    trees = Trees.of(fit(draw_rows(400, seed=0), max_iter=3))
    arrays = {name: getattr(trees, name).copy() for name in trees.__slots__}
    arrays[array][0] = value
    write_arrays(arrays, tmp_path / "trees.safetensors")
    with pytest.raises(LearningError, match=r"trees\.safetensors"):
        Trees.load(tmp_path / "trees.safetensors", columns=COLUMNS, categories=CATEGORIES)


def test_a_category_is_looked_for_only_where_there_is_one(tmp_path: Path) -> None:
    Trees.of(fit(draw_rows(400, seed=0), max_iter=3)).save(tmp_path / "trees.safetensors")
    with pytest.raises(LearningError, match="a category is not there"):
        Trees.load(tmp_path / "trees.safetensors", columns=COLUMNS, categories=0)
