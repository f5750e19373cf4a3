"""What no honest figure can come from is refused, by name, before any training."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from trialforge.core.errors import LearningError, ParameterError
from trialforge.learning.factory import make_classifier
from trialforge.learning.params import ClassifierParams
from trialforge.learning.predictions import PREDICTION_SCHEMA, check_scores
from trialforge.learning.tables import make_tables

FIELDS = ("phase", "criteria")
Parts = dict[str, pl.DataFrame]
Change = Callable[[Parts, pl.DataFrame], tuple[Parts, pl.DataFrame]]


def of_part(part: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Change:
    return lambda parts, synthetic: ({**parts, part: change(parts[part])}, synthetic)


def of_synthetic(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Change:
    return lambda parts, synthetic: (parts, change(synthetic))


ONE_CLASS = pl.lit(1, dtype=pl.Int64).alias("label")
FAULTS: dict[str, tuple[Change, str]] = {
    "train of one class": (
        of_part("train", lambda frame: frame.with_columns(ONE_CLASS)),
        "the train part has one class only: all 60 trials have the label 1",
    ),
    "test of one class": (
        of_part("test", lambda frame: frame.with_columns(ONE_CLASS)),
        "the test part has one class only",
    ),
    "validation without labels": (
        of_part("validation", lambda frame: frame.with_columns(pl.lit(None, dtype=pl.Int64).alias("label"))),
        "the validation part has no labelled trial",
    ),
    "nine test trials": (of_part("test", lambda frame: frame.head(9)), "the test part has 9 labelled trials"),
    "a label of 2": (
        of_part("test", lambda frame: frame.with_columns(pl.col("label") * 2)),
        "the test part: NCT00000201 has the label 2; a label is 0, 1 or null",
    ),
    "a synthetic label of 2": (
        of_synthetic(lambda frame: frame.with_columns(pl.col("label") * 2)),
        "the synthetic table: SYN-00000001 has the label 2",
    ),
    "an id that is real too": (
        of_synthetic(lambda frame: frame.with_columns(pl.lit("NCT00000205").alias("nct_id"))),
        "NCT00000205 is both a synthetic trial and one of the test part",
    ),
    "an exemplar of the test part": (
        of_synthetic(
            lambda frame: frame.with_columns(
                pl.when(pl.col("nct_id") == "SYN-00000003")
                .then(pl.lit(["NCT00000001", "NCT00000207"]))
                .otherwise("exemplars")
                .alias("exemplars")
            )
        ),
        "SYN-00000003 was made from NCT00000207, which is in the test part",
    ),
}


@pytest.mark.parametrize(("change", "message"), FAULTS.values(), ids=FAULTS)
def test_a_table_that_can_not_be_scored_honestly_is_refused(
    change: Change, message: str, parts: Parts, synthetic: pl.DataFrame
) -> None:
    parts, synthetic = change(parts, synthetic)
    with pytest.raises(LearningError, match=message):
        make_tables(parts, FIELDS, synthetic)


@pytest.mark.parametrize("score", [None, float("nan"), 1.2, -0.1])
def test_a_score_that_is_no_probability_is_refused(score: float | None) -> None:
    row = ("real", "real", "tfidf-logreg", 0, None, 0, "test", "NCT00000001", 1, score)
    frame = pl.DataFrame([row], schema=PREDICTION_SCHEMA, orient="row")
    with pytest.raises(LearningError, match=r"scores NCT00000001 .*; a score is a probability"):
        check_scores(frame, "real")


def test_an_unknown_classifier_is_answered_by_the_known_ones() -> None:
    with pytest.raises(ParameterError, match="no classifier 'svm'; there are tfidf-logreg"):
        make_classifier("svm", ClassifierParams())
