"""What can a classifier read of the label from text that should not know it?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from trialforge.core.errors import MetricError
from trialforge.core.resampling import bootstrap_difference
from trialforge.quality.case import Case, Side
from trialforge.quality.memorisation import exemplar_sets
from trialforge.quality.metric import Direction, Estimate, Metric
from trialforge.quality.twosample import (
    Scored,
    estimate_auc,
    fit_probe,
    linear_probe,
    roc_auc,
    score_by_folds,
)
from trialforge.trial.controls import cluster_key
from trialforge.trial.text import field_text

VIEWS = ("title", "style", "words")
SHOWN_WORDS = 10
_STYLE_MARKS = (r"\.", ",", ";", ":", "-", r"[()]", r"\d", r"\p{Lu}", r"\n", "%", r"[<>≤≥]", "and", "will")


def style_features(texts: pl.Series) -> np.ndarray:
    """Return length and punctuation of each text: logarithms of counts of characters, words and marks."""
    text = pl.col("text")
    counts = [
        text.str.len_chars(),
        text.str.count_matches(r"\S+"),
        *(text.str.count_matches(mark) for mark in _STYLE_MARKS),
    ]
    frame = texts.alias("text").to_frame()
    features: np.ndarray = np.log1p(
        frame.select(count.alias(str(place)) for place, count in enumerate(counts)).to_numpy()
    )
    return features


def word_probe() -> Any:
    """Return a classifier of single words and pairs."""
    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=20_000),
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


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows that a probe reads, and their labels."""

    rows: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    def take(self, places: np.ndarray) -> Labelled:
        """Return the rows at the given places."""
        return Labelled(self.rows[places], self.labels[places], self.groups[places])


def fold_groups(frame: pl.DataFrame) -> np.ndarray:
    """Return a number for each trial, equal for those of one intervention and those of one exemplar set.

    What a probe learns of a label from an intervention, or from exemplars that records share, is no leak.
    """
    size = len(frame)
    named = {"normalized_interventions", "nct_id"} <= set(frame.columns)
    keys = [exemplar_sets(frame)]
    keys += [frame.select(cluster_key().rank("dense")).to_series().to_numpy()] if named else []
    rows = np.concatenate([np.arange(size)] * len(keys))
    nodes = np.concatenate(
        [np.unique(key, return_inverse=True)[1] + size * (at + 1) for at, key in enumerate(keys)]
    )
    most = size * (len(keys) + 1)
    graph = coo_matrix((np.ones(len(rows)), (rows, nodes)), shape=(most, most))
    groups: np.ndarray = connected_components(graph, directed=False)[1][:size]
    return groups


def view_side(side: Side, view: str) -> Labelled:
    """Return what the probe of a view reads of the labelled records of a side.

    Raises:
        MetricError: the set has no labels.
    """
    if "label" not in side.frame.columns or side.frame["label"].null_count() == len(side):
        raise MetricError("the set has no labels")
    places = np.flatnonzero(side.frame["label"].is_not_null().to_numpy())
    labels = side.frame["label"].to_numpy()[places].astype(np.int64)
    groups = fold_groups(side.frame)[places]
    if view == "style":
        return Labelled(style_features(side.prose)[places], labels, groups)
    texts = (
        side.prose
        if view == "words"
        else side.frame.select(field_text("title").fill_null("absent")).to_series()
    )
    return Labelled(np.array(texts.to_list(), dtype=object)[places], labels, groups)


def draw_alike(
    left: Labelled, right: Labelled, stream: np.random.Generator, most: int
) -> tuple[Labelled, Labelled]:
    """Return both with as many of each label, `most` in all, so that both probes learn from as much."""
    drawn: list[list[np.ndarray]] = [[], []]
    for label in (0, 1):
        found = [np.flatnonzero(side.labels == label) for side in (left, right)]
        n = min(*(len(places) for places in found), most // 2)
        for kept, places in zip(drawn, found, strict=True):
            kept.append(stream.choice(places, n, replace=False))
    one, two = (np.sort(np.concatenate(kept)) for kept in drawn)
    return left.take(one), right.take(two)


def _score(labelled: Labelled, view: str, case: Case) -> Scored:
    seed = int(case.scale.stream("probe", view).integers(2**31))
    classifier = linear_probe() if view == "style" else word_probe()
    groups: np.ndarray | None = labelled.groups
    if any(len(np.unique(labelled.groups[labelled.labels == label])) < 2 for label in (0, 1)):
        groups = None  # of one intervention alone, none can be left out
    return score_by_folds(labelled.rows, labelled.labels, classifier, case.params.folds, seed, groups)


@lru_cache(maxsize=8)
def _draw_sides(case: Case, view: str) -> tuple[Labelled, Labelled]:
    """Return what a probe reads of records, and of train trials drawn to the same size and balance."""
    ours, real = view_side(case.candidates, view), view_side(case.reference, view)
    return draw_alike(ours, real, case.scale.stream("probe", "draw"), case.params.max_probe_records)


@lru_cache(maxsize=8)
def _probes(case: Case, view: str) -> tuple[Scored, Scored]:
    ours, real = _draw_sides(case, view)
    return _score(ours, view, case), _score(real, view, case)


@lru_cache(maxsize=8)
def _gap(case: Case, view: str) -> Estimate:
    ours, real = _probes(case, view)
    low, high = bootstrap_difference(
        lambda places: roc_auc(ours.labels[places], ours.scores[places]),
        lambda places: roc_auc(real.labels[places], real.scores[places]),
        (len(ours.labels), len(real.labels)),
        case.scale.stream("probe", "gap", view),
        case.params.bootstrap,
    )
    value = roc_auc(ours.labels, ours.scores) - roc_auc(real.labels, real.scores)
    return Estimate(value, low, high, len(ours.labels))


def title_gap(case: Case) -> Estimate:
    """ROC-AUC of the label read from titles of records minus that from real ones; above .05 it is flagged."""
    return _gap(case, "title")


def style_gap(case: Case) -> Estimate:
    """ROC-AUC of the label read from length and punctuation of records minus that from real trials."""
    return _gap(case, "style")


def words_gap(case: Case) -> Estimate:
    """ROC-AUC of the label read from words and pairs of words of records minus that from real trials."""
    return _gap(case, "words")


def words_probe(case: Case) -> Estimate:
    """ROC-AUC of the label read from words and pairs of words of records."""
    ours, _ = _probes(case, "words")
    return estimate_auc(ours, case.scale.stream("probe", "words", "synthetic"), case.params.bootstrap)


def real_words_probe(case: Case) -> Estimate:
    """ROC-AUC of the label read from words and pairs of words of as many real trials."""
    _, real = _probes(case, "words")
    return estimate_auc(real, case.scale.stream("probe", "words", "real"), case.params.bootstrap)


def judge_gap(gap: Estimate, most: float) -> str:
    """Return what the interval says of a gap: `above` the bound, `at most` it, or `too few to tell`."""
    if gap.low is not None and gap.low > most:
        return "above"
    return "at most" if gap.high is not None and gap.high <= most else "too few to tell"


def flagged_gaps(case: Case) -> Estimate:
    """Number of the three gaps (title, style, words) above `quality.max_probe_gap`.

    With few records a gap may lie above by chance: `gaps_above` counts those that don't.
    """
    gaps = [_gap(case, view).value for view in VIEWS]
    return Estimate(float(sum(gap > case.params.max_probe_gap for gap in gaps)), n=len(VIEWS))


def certain_gaps(case: Case) -> Estimate:
    """Number of the three gaps whose whole 95% interval lies above `quality.max_probe_gap`."""
    found = [judge_gap(_gap(case, view), case.params.max_probe_gap) for view in VIEWS]
    return Estimate(float(found.count("above")), n=len(VIEWS))


def probe_table(case: Case) -> pl.DataFrame:
    """Return the ROC-AUC of each view of both sets, and of each single field of real trials.

    Columns: `set`, `view`, `auc`, `low`, `high`, `n`, `flagged` (the gap of the view is above the bound),
    `verdict` (what the gap's interval says of that, see `judge_gap`; empty for single fields).
    """
    rows = []
    for view in VIEWS:
        gap = _gap(case, view)
        flagged, verdict = gap.value > case.params.max_probe_gap, judge_gap(gap, case.params.max_probe_gap)
        for name, scored in zip(("synthetic", "train"), _probes(case, view), strict=True):
            auc = estimate_auc(scored, case.scale.stream("probe", view, name), case.params.bootstrap)
            rows.append((name, view, auc.value, auc.low, auc.high, auc.n, flagged, verdict))
    for field in case.scale.fields:
        rows.append(_field_row(case, field))
    names = ["set", "view", "auc", "low", "high", "n", "flagged", "verdict"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("auc", "low", "high").round(4))


def _field_row(case: Case, field: str) -> tuple[Any, ...]:
    real = view_side(case.reference, "words")
    frame = case.reference.frame.filter(pl.col("label").is_not_null())
    texts = frame.select(field_text(field).fill_null("absent")).to_series().to_list()
    labelled = Labelled(np.array(texts, dtype=object), real.labels, real.groups)
    labelled, _ = draw_alike(
        labelled, labelled, case.scale.stream("probe", field), case.params.max_probe_records
    )
    try:
        auc = estimate_auc(_score(labelled, field, case), case.scale.stream("probe", "field", field), 100)
    except MetricError:  # no word of two letters in the field
        return ("train", f"field {field}", None, None, None, len(labelled.labels), False, None)
    return ("train", f"field {field}", auc.value, auc.low, auc.high, auc.n, False, None)


def label_words(case: Case) -> pl.DataFrame:
    """Return the words and pairs that weigh most for either label.

    Raises:
        MetricError: a set has records of one label alone, or no word.
    """
    rows = []
    for view in ("title", "words"):
        for name, labelled in zip(("synthetic", "train"), _draw_sides(case, view), strict=True):
            if len(np.unique(labelled.labels)) < 2:
                raise MetricError("both sets need records of both labels to say which words tell them")
            probe = fit_probe(word_probe(), labelled.rows, labelled.labels)
            words, weights = probe[0].get_feature_names_out(), probe[1].coef_[0]
            order = np.argsort(weights, kind="stable")
            for label, places in ((0, order[:SHOWN_WORDS]), (1, order[::-1][:SHOWN_WORDS])):
                rows += [
                    (name, view, label, words[place], round(float(weights[place]), 4)) for place in places
                ]
    return pl.DataFrame(rows, schema=["set", "view", "label", "word", "weight"], orient="row")


METRICS = (
    Metric("leakage.title_gap", Direction.LOWER, -1, 1, title_gap),
    Metric("leakage.style_gap", Direction.LOWER, -1, 1, style_gap),
    Metric("leakage.words_gap", Direction.LOWER, -1, 1, words_gap),
    Metric("leakage.words_auc", Direction.REAL, 0, 1, words_probe, headline=False),
    Metric("leakage.real_words_auc", Direction.REAL, 0, 1, real_words_probe, headline=False),
    Metric("leakage.gaps_flagged", Direction.LOWER, 0, 3, flagged_gaps),
    Metric("leakage.gaps_above", Direction.LOWER, 0, 3, certain_gaps),
)
