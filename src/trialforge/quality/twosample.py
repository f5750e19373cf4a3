"""Can a classifier tell records from real trials, by form, style or content? And what all probes share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trialforge.core.errors import MetricError
from trialforge.core.resampling import Clusters, bootstrap_statistic
from trialforge.quality.case import Case, Side
from trialforge.quality.metric import Direction, Estimate, Metric
from trialforge.quality.views import VIEWS, shared_parts, view_rows
from trialforge.quality.yardstick import match_trials
from trialforge.trial.record import TEXT_FIELDS

# From the closest match to none, as those of the yardsticks.
LEVELS: dict[str, list[pl.Expr]] = {
    "intervention": [pl.col("intervention")],
    "phase": [pl.col("phase").fill_null("?")],
    "unmatched": [],
}


@dataclass(frozen=True, slots=True)
class Scored:
    """Labels (0 or 1) and the scores that a classifier gave to rows it was not trained on."""

    labels: np.ndarray
    scores: np.ndarray

    def auc(self, places: np.ndarray) -> float:
        """Return the ROC-AUC of the rows at the given places."""
        return roc_auc(self.labels[places], self.scores[places])


def roc_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the chance that a positive scores above a negative, ties half; NaN with one class only."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(scores)[labels == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def fit_probe(classifier: Any, rows: Any, labels: np.ndarray) -> Any:
    """Return the fitted classifier.

    Raises:
        MetricError: there is nothing to learn from in the rows, such as texts without a word of two letters.
    """
    try:
        return classifier.fit(rows, labels)
    except ValueError as error:
        raise MetricError(f"a probe can't be trained on {len(labels)} records: {error}") from error


def score_by_folds(rows: Any, labels: np.ndarray, groups: pl.Series, classifier: Any, case: Case) -> Scored:
    """Return scores of each row by a classifier trained on the other folds; a group stands in one fold.

    Raises:
        MetricError: a class has fewer than two rows, all are of one group, or there is nothing to learn from.
    """
    labels, keys = np.asarray(labels), groups.to_numpy()
    rarer = int(min(labels.sum(), len(labels) - labels.sum()))
    if rarer < 2:
        raise MetricError(f"{rarer} records of the rarer class are too few to train a probe")
    folds = min(case.params.folds, rarer, groups.n_unique())
    if folds < 2:
        raise MetricError("all records are of one intervention: no fold has others to learn from")
    seed = int(case.scale.stream("folds").integers(2**31))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    scores = np.empty(len(labels))
    for train, test in splitter.split(np.zeros(len(labels)), labels, keys):
        fit_probe(classifier, rows[train], labels[train])
        # Folds differ in their intercept, so a score is its rank within the fold: with few rows of a class
        # the pooled ROC-AUC falls far below .5 otherwise.
        scores[test] = rankdata(classifier.decision_function(rows[test])) / (len(test) + 1)
    return Scored(labels, scores)


def estimate_auc(
    scored: Scored, stream: np.random.Generator, draws: int, clusters: Clusters | None = None
) -> Estimate:
    """Return the ROC-AUC with a bootstrap interval over rows, or over clusters of them."""
    low, high = bootstrap_statistic(
        scored.auc, clusters or Clusters.single(len(scored.labels)), stream, draws
    )
    return Estimate(roc_auc(scored.labels, scored.scores), low, high, len(scored.labels))


def linear_probe() -> Any:
    """Return a linear classifier on scaled rows, both classes weighing the same."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, class_weight="balanced"))


def word_probe(longest: int = 2) -> Any:
    """Return a classifier of words and of runs of up to `longest` words."""
    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, longest), sublinear_tf=True, max_features=20_000),
        LogisticRegression(
            C=10,
            solver="liblinear",
            dual=True,
            tol=1e-3,
            max_iter=300,
            class_weight="balanced",
            random_state=0,
        ),
    )


@lru_cache(maxsize=4)
def _draw_pairs(case: Case) -> dict[str, tuple[Side, Side]]:
    """Return records, held-back real trials and these in draft form, each with as many train trials.

    All are as many; the train trials are of the same interventions as far as there are any.
    """
    sets = {"": case.candidates, "_real": case.held_back, "_as_drafts": case.drafts}
    there = {name: side for name, side in sets.items() if side and len(side)}
    size = min(case.params.max_probe_records // 2, *(len(side) for side in [case.reference, *there.values()]))
    drawn = {}
    for name, side in there.items():
        # Drafts are of the held-back trials: the same draw reads the same trials in both forms.
        kept = side.draw(size, case.scale.stream("two-sample", "draw", "real" if name else "synthetic"))
        pairs, _ = match_trials(kept, case.reference, LEVELS, case.scale.stream("two-sample", "match"))
        drawn[name] = kept, case.reference.take(np.sort(pairs[:, 1]))
    return drawn


def view_auc(case: Case, view: str, of: str = "") -> Estimate:
    """ROC-AUC of a linear classifier that tells records from real trials by one view; .5 is best.

    Classifier two-sample test (Lopez-Paz and Oquab 2017, arXiv 1610.06545), as many of either set, an
    intervention in one fold. `_real` tells held-back real trials from train, `_as_drafts` the same trials in
    the form of a draft: what any draft could reach.
    """
    if of not in (drawn := _draw_pairs(case)):
        raise MetricError("there are no held-back real trials", hint="run: dvc repro split")
    sides = drawn[of]
    parts = shared_parts(sides[0].frame, sides[1].frame)
    rows = view_rows(pl.concat([side.frame.select(TEXT_FIELDS) for side in sides]), view, parts)
    labels = np.repeat([1, 0], [len(side) for side in sides])
    groups = pl.concat([side.interventions for side in sides])
    probe = word_probe(1) if view == "content" else linear_probe()
    scored = score_by_folds(rows, labels, groups, probe, case)
    clusters = sides[0].clusters + sides[1].clusters
    return estimate_auc(scored, case.scale.stream("two-sample", view), case.params.bootstrap, clusters)


METRICS = tuple(
    Metric(
        f"fidelity.{view}_auc{of}",
        Direction.REAL if of else Direction.LOWER,
        0,
        1,
        partial(view_auc, view=view, of=of),
    )
    for view in VIEWS
    for of in ("", "_real", "_as_drafts")
)
