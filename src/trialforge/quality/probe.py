"""What can a classifier read of the label from text that should not know it?"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

from trialforge.core.errors import MetricError
from trialforge.core.resampling import LEVEL, bootstrap_difference, variance_of_luck
from trialforge.quality.case import Case, Side
from trialforge.quality.metric import Direction, Estimate, Metric
from trialforge.quality.tells import telling_views
from trialforge.quality.twosample import (
    Scored,
    estimate_auc,
    fit_probe,
    linear_probe,
    roc_auc,
    score_by_folds,
    word_probe,
)
from trialforge.quality.views import form_features, shared_parts, style_features
from trialforge.trial.text import field_text

VIEWS = ("title", "form", "style", "words")
SHOWN_WORDS = 10
CHANCE = 0.5


def read_view(side: Side, view: str) -> np.ndarray:
    """Return what the probe of a view reads of each record; the name of a field is a view too."""
    if view == "form":
        return form_features(side.frame)
    if view == "style":
        return style_features(side.frame, shared_parts(side.frame, side.frame))
    if view == "words":
        return np.array(side.prose.to_list(), dtype=object)
    field = side.frame.select(field_text(view).fill_null("absent")).to_series()
    return np.array(field.to_list(), dtype=object)


def draw_alike(left: Side, right: Side, stream: np.random.Generator, most: int) -> tuple[Side, Side]:
    """Return as many records of each label of both sides, `most` in all: both probes learn from as much."""
    drawn: list[list[np.ndarray]] = [[], []]
    for label in (0, 1):
        found = [np.flatnonzero(side.labels == label) for side in (left, right)]
        n = min(*(len(places) for places in found), most // 2)
        for kept, places in zip(drawn, found, strict=True):
            kept.append(stream.choice(places, n, replace=False))
    one, two = (np.sort(np.concatenate(kept)) for kept in drawn)
    return left.take(one), right.take(two)


def _score(side: Side, view: str, case: Case) -> Scored:
    classifier = linear_probe() if view in ("form", "style") else word_probe()
    return score_by_folds(read_view(side, view), side.labels, side.families, classifier, case)


@lru_cache(maxsize=8)
def _draw_sides(case: Case) -> tuple[Side, Side]:
    """Return the labelled records, and train trials, drawn to the same size and balance."""
    sides = case.candidates.labelled(), case.reference.labelled()
    return draw_alike(*sides, case.scale.stream("probe", "draw"), case.params.max_probe_records)


@lru_cache(maxsize=8)
def _probes(case: Case, view: str) -> tuple[Scored, Scored]:
    ours, real = _draw_sides(case)
    return _score(ours, view, case), _score(real, view, case)


@lru_cache(maxsize=8)
def label_gap(case: Case, *, view: str) -> Estimate:
    """ROC-AUC of the label read from a view of records minus that from real trials, each at least chance.

    Views are the title, the form (filled fields, counts and lengths), the style (function words, marks and
    layout), and words and pairs of words.

    The bootstrap of scores holds neither that another draw trains other classifiers (folds share records,
    which adds K / (K - 1) times its variance: Nadeau and Bengio 2003) nor, of a perfect ranking, any error:
    it is at least that of scores that know nothing (Mann and Whitney 1947).
    """
    ours, real = _probes(case, view)
    one, two = _draw_sides(case)
    value = max(roc_auc(ours.labels, ours.scores), CHANCE) - max(roc_auc(real.labels, real.scores), CHANCE)
    low, high = bootstrap_difference(
        lambda places: max(ours.auc(places), CHANCE),
        lambda places: max(real.auc(places), CHANCE),
        (one.clusters, two.clusters),
        case.scale.stream("probe", "gap", view),
        case.params.bootstrap,
    )
    if low is None or high is None:
        return Estimate(value, n=len(ours.labels))
    zeros, ones = np.bincount(ours.labels, minlength=2).tolist()
    folds = min(case.params.folds, zeros, ones)
    reach = max(
        (high - low) / 2, NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(2 * variance_of_luck(ones, zeros))
    )
    reach *= math.sqrt(1 + folds / (folds - 1))
    return Estimate(value, value - reach, value + reach, len(ours.labels))


def words_probe(case: Case) -> Estimate:
    """ROC-AUC of the label read from words and pairs of words of records."""
    (ours, _), (side, _) = _probes(case, "words"), _draw_sides(case)
    stream = case.scale.stream("probe", "words", "synthetic")
    return estimate_auc(ours, stream, case.params.bootstrap, side.clusters)


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
    """Number of the four views (title, form, style, words) with a feature that surely tells the label.

    A gap of few records may be large by chance, and one word is lost among thousands: `leakage.tells` looks
    at each feature by itself.
    """
    return Estimate(float(len(telling_views(case))), n=len(VIEWS))


def certain_gaps(case: Case) -> Estimate:
    """Number of the four gaps whose whole 95% interval lies above `quality.max_probe_gap`."""
    found = [judge_gap(label_gap(case, view=view), case.params.max_probe_gap) for view in VIEWS]
    return Estimate(float(found.count("above")), n=len(VIEWS))


def probe_table(case: Case) -> pl.DataFrame:
    """Return the ROC-AUC of each view of both sets, and of each single field of real trials.

    Columns: `set`, `view`, `auc`, `low`, `high`, `n`, `flagged` (a feature of the view surely tells the
    label), `verdict` (what the gap's interval says of that, see `judge_gap`; empty for single fields).
    """
    rows, told = [], telling_views(case)
    for view in VIEWS:
        flagged, verdict = view in told, judge_gap(label_gap(case, view=view), case.params.max_probe_gap)
        sides = zip(("synthetic", "train"), _probes(case, view), _draw_sides(case), strict=True)
        for name, scored, side in sides:
            stream = case.scale.stream("probe", view, name)
            auc = estimate_auc(scored, stream, case.params.bootstrap, side.clusters)
            rows.append((name, view, auc.value, auc.low, auc.high, auc.n, flagged, verdict))
    for field in case.scale.fields:
        rows.append(_field_row(case, field))
    names = ["set", "view", "auc", "low", "high", "n", "flagged", "verdict"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("auc", "low", "high").round(4))


def _field_row(case: Case, field: str) -> tuple[Any, ...]:
    real, stream = case.reference.labelled(), case.scale.stream("probe", field)
    side, _ = draw_alike(real, real, stream, case.params.max_probe_records)
    try:
        auc = estimate_auc(_score(side, field, case), case.scale.stream("probe", "field", field), 100)
    except MetricError:  # no word of two letters in the field
        return ("train", f"field {field}", None, None, None, len(side), False, None)
    return ("train", f"field {field}", auc.value, auc.low, auc.high, auc.n, False, None)


def label_words(case: Case) -> pl.DataFrame:
    """Return the words and pairs that weigh most for either label.

    Raises:
        MetricError: a set has records of one label alone, or no word.
    """
    rows = []
    for view in ("title", "words"):
        for name, side in zip(("synthetic", "train"), _draw_sides(case), strict=True):
            if len(np.unique(side.labels)) < 2:
                raise MetricError("both sets need records of both labels to say which words tell them")
            probe = fit_probe(word_probe(), read_view(side, view), side.labels)
            words, weights = probe[0].get_feature_names_out(), probe[1].coef_[0]
            order = np.argsort(weights, kind="stable")
            for label, places in ((0, order[:SHOWN_WORDS]), (1, order[::-1][:SHOWN_WORDS])):
                rows += [
                    (name, view, label, words[place], round(float(weights[place]), 4)) for place in places
                ]
    return pl.DataFrame(rows, schema=["set", "view", "label", "word", "weight"], orient="row")


METRICS = (
    *(Metric(f"leakage.{view}_gap", Direction.LOWER, -1, 1, partial(label_gap, view=view)) for view in VIEWS),
    Metric("leakage.words_auc", Direction.REAL, 0, 1, words_probe, headline=False),
    Metric("leakage.real_words_auc", Direction.REAL, 0, 1, real_words_probe, headline=False),
    Metric("leakage.gaps_flagged", Direction.LOWER, 0, 4, flagged_gaps),
    Metric("leakage.gaps_above", Direction.LOWER, 0, 4, certain_gaps),
)
