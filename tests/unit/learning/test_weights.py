"""What an example weighs, and where words come from, for each classifier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from trialforge.learning.arms import Draw, compose, vocabulary
from trialforge.learning.classifier import Task
from trialforge.learning.factory import make_classifier
from trialforge.learning.params import Arm, ClassifierParams
from trialforge.learning.tables import Tables, make_tables

if TYPE_CHECKING:
    import numpy as np

FIELDS = ("phase", "criteria")
WORDS = ("tfidf-logreg", "tfidf-svm", "gradient-boosting")
PARAMS = {
    "tfidf-logreg": {"min_count": 1}, "tfidf-svm": {"min_count": 1},
    "gradient-boosting": {"components": 4, "min_count": 1, "trees": 20},
}  # fmt: skip


@pytest.fixture
def tables(parts: dict[str, pl.DataFrame], synthetic: pl.DataFrame) -> Tables:
    return make_tables(parts, FIELDS, synthetic)


def scores(name: str, train: pl.DataFrame, tables: Tables, knobs: dict[str, Any], **task: Any) -> np.ndarray:
    model = make_classifier(name, ClassifierParams.model_validate({name: knobs}))
    model.fit(Task(train, tables.validation, 1, 60, **task))
    return model.predict(tables.test)


@pytest.mark.parametrize("name", WORDS[:2])
def test_an_example_of_weight_two_is_two_examples(name: str, tables: Tables) -> None:
    real = tables.pool.real.drop("submitted")
    twice = pl.when(pl.int_range(pl.len()) % 3 == 0).then(2.0).otherwise(1.0)
    weighed = real.with_columns(weight=twice)
    repeated = pl.concat([real, real.filter(pl.int_range(pl.len()) % 3 == 0)])
    known = {"vocabulary": real["text"]}
    found = scores(name, weighed, tables, PARAMS[name], **known)
    assert found == pytest.approx(scores(name, repeated, tables, PARAMS[name], **known), abs=2e-3)
    assert found != pytest.approx(scores(name, real, tables, PARAMS[name], **known), abs=2e-3)


@pytest.mark.parametrize("name", [*WORDS, "transformer"])
def test_an_example_without_weight_teaches_nothing(name: str, tables: Tables, tiny_encoder: Path) -> None:
    """Half of the labels are turned: which half weighs decides what is learned."""
    knobs = PARAMS.get(name) or {
        "backend": "transformers", "model": str(tiny_encoder), "max_tokens": 16, "epochs": 6,
        "learning_rate": 0.01,
    }  # fmt: skip
    real = tables.pool.real.drop("submitted")
    turned = pl.int_range(pl.len()) % 4 < 2
    mixed = real.with_columns(label=pl.when(turned).then(1 - pl.col("label")).otherwise("label"))
    weighed = mixed.with_columns(weight=pl.when(turned).then(0.0).otherwise(2.0))
    labels = tables.test["label"].to_numpy()
    gaps = [
        found[labels == 1].mean() - found[labels == 0].mean()
        for found in (scores(name, train, tables, knobs) for train in (weighed, mixed))
    ]
    assert gaps[0] > max(0.1, 2 * gaps[1])


def test_repeated_texts_make_no_feature_of_a_word_that_one_trial_has(tables: Tables) -> None:
    """With `min_count` 2, a copy of a trial used to make its rare words features, at full weight."""
    pool = tables.pool
    rare = pool.real.with_columns(
        text=pl.concat_str("text", pl.lit(" word"), pl.int_range(pl.len()).cast(pl.String))
    )
    tables = Tables(type(pool)(rare, pool.synthetic), tables.validation, tables.test)
    names = []
    for arm in (Arm(name="real"), Arm(name="duplicated", extra="duplicated")):
        mix = compose(arm, tables.pool, Draw(1, 0))
        model: Any = make_classifier("tfidf-logreg", ClassifierParams())
        model.fit(Task(mix, tables.validation, 1, 60, vocabulary=vocabulary(arm, tables.pool)))
        told = model.explain(mix.head(5), 100)
        names.append({influence.feature for found in told for influence in found})
    assert not any(name.startswith("word") for name in names[1])
    assert names[0] == names[1]
