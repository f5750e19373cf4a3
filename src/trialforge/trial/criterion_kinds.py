"""Does a line read like a criterion of inclusion, one of exclusion, or neither? Learned from real trials."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from trialforge.trial.controls import cluster_key
from trialforge.trial.copies import field_items
from trialforge.trial.criteria_lists import SIDES, split_criteria
from trialforge.trial.leakage import split_sentences

OTHER = "other"
LEVEL = 0.01  # of real criteria that count as unlikely on their side
_OTHER_FIELDS = ("summary", "detailed_description", "arms", "primary_outcomes", "secondary_outcomes")
_MOST_TRIALS = 4_000
_LEAST_LINES = 100  # of a kind
_FOLDS = 3
_WORD = r"\b\w+\b|[<>≤≥]"


@dataclass(frozen=True, slots=True)
class CriterionKinds:
    """A linear classifier of lines by their words and pairs of words, with a bound for each side.

    Attributes:
        classifier: of lines; its classes are the sides and, where the trials have other texts, `other`.
        bounds: by side, what all but LEVEL of real criteria exceed by the margin of their own side over the
            best other class, measured on trials of other interventions than those learned from.
    """

    classifier: Pipeline
    bounds: dict[str, float]

    def find_unlikely(self, side: str, items: Sequence[str]) -> list[str]:
        """Return the items whose margin for this side is below that of all but LEVEL of real criteria.

        An item of one word says too little to be found.
        """
        long = [item for item in items if len(item.split()) > 1]
        if not long:
            return []
        margins = _margins(self.classifier.decision_function(long))
        place = list(self.classifier.classes_).index(side)
        low = _lead(margins, np.full(len(long), place)) < self.bounds[side]
        return [item for item, is_low in zip(long, low, strict=True) if is_low]


def learn_kinds(trials: pl.DataFrame) -> CriterionKinds | None:
    """Return a classifier learned from up to 4,000 trials, or None if these can't teach one.

    They have too few criteria of a side, or those are so alike, as in a corpus made of templates, that a
    line in other words would be unlikely on either side.
    """
    trials = trials.sort("nct_id")
    read = trials.sample(_MOST_TRIALS, seed=0) if trials.height > _MOST_TRIALS else trials
    lines = criterion_lines(read)
    counts = lines.group_by("kind").len().filter(pl.col("len") >= _LEAST_LINES)
    lines = lines.filter(pl.col("kind").is_in(counts["kind"].implode()))
    texts, kind = lines["text"].to_list(), lines["kind"].to_numpy()
    # By a hash: how a sort breaks ties differs between processors.
    fold = np.array([zlib.crc32(cluster.encode()) % _FOLDS for cluster in lines["cluster"]])
    learned = [{*kind[fold != place]} for place in range(_FOLDS)]
    if not {*kind}.issuperset(SIDES) or any(known != {*kind} for known in learned):
        return None
    classifier = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=_WORD),
        LinearSVC(C=0.5, random_state=0),
    )
    decisions: Any = cross_val_predict(
        classifier, texts, kind, cv=PredefinedSplit(fold), method="decision_function"
    )
    classifier.fit(texts, kind)
    lead = _lead(_margins(decisions), np.searchsorted(classifier.classes_, kind))
    bounds = {side: float(np.quantile(lead[kind == side], LEVEL)) for side in SIDES}
    return CriterionKinds(classifier, bounds) if max(bounds.values()) < 0 else None


def criterion_lines(trials: pl.DataFrame) -> pl.DataFrame:
    """Return `text`, `kind` and `cluster` of interventions of the criteria and other sentences of trials."""
    clusters = trials.select(cluster_key()).with_row_index("record")
    lists = [split_criteria(text) for text in trials["criteria"]]
    sides = [
        pl.DataFrame({"text": [both[place] for both in lists]}, schema={"text": pl.List(pl.String)})
        .with_row_index("record")
        .explode("text")
        .with_columns(kind=pl.lit(side))
        for place, side in enumerate(SIDES)
    ]
    others = field_items(trials).filter(pl.col("field").is_in(_OTHER_FIELDS))
    sentences = others.select("record", split_sentences(pl.col("text"))).explode("text")
    other = sentences.with_columns(kind=pl.lit(OTHER))
    lines = pl.concat([*sides, other]).select("record", "kind", pl.col("text").str.strip_chars())
    lines = lines.filter(pl.col("text").str.contains(r"\w")).unique(maintain_order=True)
    joined = lines.join(clusters, on="record", how="left", maintain_order="left")
    return joined.select("text", "kind", "cluster")


def _margins(decisions: np.ndarray) -> np.ndarray:
    """Return a column for each class: of two classes scikit-learn gives the second one's alone."""
    return np.stack([-decisions, decisions], axis=1) if decisions.ndim == 1 else decisions


def _lead(margins: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return by how much each row's own class leads the best of the others."""
    rows = np.arange(len(margins))
    others = margins.copy()
    others[rows, own] = -np.inf
    lead: np.ndarray = margins[rows, own] - others.max(axis=1)
    return lead
