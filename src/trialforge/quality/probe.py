"""What can a classifier read of the label from text that should not know it?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from trialforge.core.errors import MetricError
from trialforge.core.resampling import Clusters, bootstrap_difference
from trialforge.quality.case import Case, Side
from trialforge.quality.metric import Direction, Estimate, Metric
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


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows that a probe reads, their labels, and the side whose records they are of."""

    rows: np.ndarray
    labels: np.ndarray
    side: Side

    def take(self, places: np.ndarray) -> Labelled:
        """Return the rows at the given places."""
        return Labelled(self.rows[places], self.labels[places], self.side.take(places))


def view_side(side: Side, view: str) -> Labelled:
    """Return what the probe of a view reads of the labelled records of a side; a field's name is a view too.

    Raises:
        MetricError: the set has no labels.
    """
    if "label" not in side.frame.columns or side.frame["label"].null_count() == len(side):
        raise MetricError("the set has no labels")
    side = side.take(np.flatnonzero(side.frame["label"].is_not_null().to_numpy()))
    labels = side.frame["label"].to_numpy().astype(np.int64)
    if view == "form":
        return Labelled(form_features(side.frame), labels, side)
    if view == "style":
        parts = shared_parts(side.frame, side.frame)
        return Labelled(style_features(side.frame, parts), labels, side)
    field = side.frame.select(field_text(view).fill_null("absent")).to_series() if view != "words" else None
    return Labelled(np.array((side.prose if field is None else field).to_list(), dtype=object), labels, side)


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
    classifier = linear_probe() if view in ("form", "style") else word_probe()
    return score_by_folds(labelled.rows, labelled.labels, labelled.side.interventions, classifier, case)


@lru_cache(maxsize=8)
def _draw_sides(case: Case, view: str) -> tuple[Labelled, Labelled]:
    """Return what a probe reads of records, and of train trials drawn to the same size and balance."""
    ours, real = view_side(case.candidates, view), view_side(case.reference, view)
    return draw_alike(ours, real, case.scale.stream("probe", "draw"), case.params.max_probe_records)


@lru_cache(maxsize=8)
def _probes(case: Case, view: str) -> tuple[Scored, Scored]:
    ours, real = _draw_sides(case, view)
    return _score(ours, view, case), _score(real, view, case)


def _clusters(case: Case, view: str) -> tuple[Clusters, Clusters]:
    ours, real = _draw_sides(case, view)
    return ours.side.clusters, real.side.clusters


@lru_cache(maxsize=8)
def _gap(case: Case, view: str) -> Estimate:
    ours, real = _probes(case, view)
    low, high = bootstrap_difference(
        ours.auc,
        real.auc,
        _clusters(case, view),
        case.scale.stream("probe", "gap", view),
        case.params.bootstrap,
    )
    value = roc_auc(ours.labels, ours.scores) - roc_auc(real.labels, real.scores)
    return Estimate(value, low, high, len(ours.labels))


def title_gap(case: Case) -> Estimate:
    """ROC-AUC of the label read from titles of records minus that from real ones; above .05 it is flagged."""
    return _gap(case, "title")


def form_gap(case: Case) -> Estimate:
    """ROC-AUC of the label read from filled fields, counts and lengths, minus that of real trials."""
    return _gap(case, "form")


def style_gap(case: Case) -> Estimate:
    """ROC-AUC of the label read from function words, marks and layout, minus that of real trials."""
    return _gap(case, "style")


def words_gap(case: Case) -> Estimate:
    """ROC-AUC of the label read from words and pairs of words of records minus that from real trials."""
    return _gap(case, "words")


def words_probe(case: Case) -> Estimate:
    """ROC-AUC of the label read from words and pairs of words of records."""
    ours, _ = _probes(case, "words")
    return estimate_auc(
        ours,
        case.scale.stream("probe", "words", "synthetic"),
        case.params.bootstrap,
        _clusters(case, "words")[0],
    )


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
    """Number of the four gaps (title, form, style, words) above `quality.max_probe_gap`.

    With few records a gap may lie above by chance: `gaps_above` counts those that don't.
    """
    gaps = [_gap(case, view).value for view in VIEWS]
    return Estimate(float(sum(gap > case.params.max_probe_gap for gap in gaps)), n=len(VIEWS))


def certain_gaps(case: Case) -> Estimate:
    """Number of the four gaps whose whole 95% interval lies above `quality.max_probe_gap`."""
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
        sides = zip(("synthetic", "train"), _probes(case, view), _clusters(case, view), strict=True)
        for name, scored, clusters in sides:
            stream = case.scale.stream("probe", view, name)
            auc = estimate_auc(scored, stream, case.params.bootstrap, clusters)
            rows.append((name, view, auc.value, auc.low, auc.high, auc.n, flagged, verdict))
    for field in case.scale.fields:
        rows.append(_field_row(case, field))
    names = ["set", "view", "auc", "low", "high", "n", "flagged", "verdict"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("auc", "low", "high").round(4))


def _field_row(case: Case, field: str) -> tuple[Any, ...]:
    labelled = view_side(case.reference, field)
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
    Metric("leakage.form_gap", Direction.LOWER, -1, 1, form_gap),
    Metric("leakage.style_gap", Direction.LOWER, -1, 1, style_gap),
    Metric("leakage.words_gap", Direction.LOWER, -1, 1, words_gap),
    Metric("leakage.words_auc", Direction.REAL, 0, 1, words_probe, headline=False),
    Metric("leakage.real_words_auc", Direction.REAL, 0, 1, real_words_probe, headline=False),
    Metric("leakage.gaps_flagged", Direction.LOWER, 0, 4, flagged_gaps),
    Metric("leakage.gaps_above", Direction.LOWER, 0, 4, certain_gaps),
)
