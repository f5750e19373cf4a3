"""Can an attacker tell which real trials were shown to the generator, or lay in its pool?"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from trialforge.errors import MetricError
from trialforge.quality.case import Case
from trialforge.quality.memorisation import shown_trials
from trialforge.quality.metric import Direction, Estimate, Metric, percentile_interval
from trialforge.quality.neighbours import distance_blocks
from trialforge.quality.twosample import roc_auc

FEATURES = ("highest", "mean of top 3", "mean")
FALSE_POSITIVES = 0.01


def attack_features(trials: np.ndarray, records: np.ndarray) -> np.ndarray:
    """Return the highest, mean-of-top-3 and mean cosine of each real trial to the records (n, 3)."""
    features = np.empty((len(trials), len(FEATURES)))
    top = min(3, len(records))
    for block, distances in distance_blocks(trials, records):
        cosines = 1 - distances**2 / 2
        nearest = np.partition(cosines, -top, axis=1)[:, -top:]
        features[block] = np.column_stack([nearest.max(axis=1), nearest.mean(axis=1), cosines.mean(axis=1)])
    return features


def true_positive_rate(inside: np.ndarray, outside: np.ndarray) -> float:
    """Return the share of members above the score that 1% of non-members exceed (Carlini et al. 2022)."""
    allowed = int(FALSE_POSITIVES * len(outside))
    threshold = np.sort(outside)[len(outside) - allowed - 1]
    return float((inside > threshold).mean())


@lru_cache(maxsize=8)
def _attack(case: Case, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return features of members and non-members."""
    records = case.candidates.rows
    if kind == "train":
        held_out = case.need_held_out()
        return attack_features(case.reference.rows, records), attack_features(held_out.rows, records)
    shown = np.zeros(len(case.reference), dtype=bool)
    shown[shown_trials(case)["trial"].to_numpy()] = True
    likely = _same_interventions(case, shown)
    if not shown.any() or not (likely & ~shown).any():
        raise MetricError("the set has no exemplars, or no train trial of their interventions was not shown")
    features = attack_features(case.reference.rows[likely], records)
    return features[shown[likely]], features[~shown[likely]]


def _same_interventions(case: Case, shown: np.ndarray) -> np.ndarray:
    """Return which train trials have an intervention of a shown one; others are told apart by it alone."""
    frame = case.reference.frame
    if "normalized_interventions" not in frame.columns:
        return np.ones(len(frame), dtype=bool)
    names = frame["normalized_interventions"].fill_null([])
    asked = names.filter(pl.Series(shown)).explode().drop_nulls().unique()
    likely = names.list.eval(pl.element().is_in(asked.implode())).list.any().fill_null(value=False)
    return np.logical_or(likely.to_numpy(), shown)  # type: ignore[no-any-return]


def _auc(inside: np.ndarray, outside: np.ndarray) -> float:
    labels = np.repeat([1, 0], [len(inside), len(outside)])
    return roc_auc(labels, np.concatenate([inside, outside]))


@lru_cache(maxsize=16)
def _estimates(case: Case, kind: str, feature: int) -> tuple[Estimate, Estimate]:
    inside, outside = (features[:, feature] for features in _attack(case, kind))
    stream = case.scale.stream("membership", kind, feature)
    drawn = np.array(
        [
            (_auc(one, two), true_positive_rate(one, two))
            for one, two in (
                (stream.choice(inside, len(inside)), stream.choice(outside, len(outside)))
                for _ in range(case.params.bootstrap)
            )
        ]
    )
    n = len(inside) + len(outside)
    return (
        Estimate(_auc(inside, outside), *percentile_interval(drawn[:, 0]), n),
        Estimate(true_positive_rate(inside, outside), *percentile_interval(drawn[:, 1]), n),
    )


def exemplar_auc(case: Case) -> Estimate:
    """ROC-AUC of guessing which train trials were shown, by their highest cosine to a record; .5 is best.

    A membership inference attack (Shokri et al. 2017) without the model, as GAN-Leaks (Chen et al. 2020).
    The non-members are train trials of the same interventions that no record was shown.
    """
    return _estimates(case, "exemplars", 0)[0]


def exemplar_tpr(case: Case) -> Estimate:
    """Share of shown trials found at 1% false positives, by highest cosine (Carlini et al. 2022)."""
    return _estimates(case, "exemplars", 0)[1]


def train_auc(case: Case) -> Estimate:
    """ROC-AUC of guessing which real trials lay in the pool rather than held out; .5 is best."""
    return _estimates(case, "train", 0)[0]


def train_tpr(case: Case) -> Estimate:
    """Share of pool trials found at 1% false positives, by highest cosine."""
    return _estimates(case, "train", 0)[1]


def membership_table(case: Case) -> pl.DataFrame:
    """Return both attacks by each feature, with intervals and the numbers of members and non-members."""
    rows = []
    for kind in ("exemplars", "train"):
        try:
            inside, outside = _attack(case, kind)
        except MetricError:
            continue
        for place, feature in enumerate(FEATURES):
            auc, rate = _estimates(case, kind, place)
            numbers = (auc.value, auc.low, auc.high, rate.value, rate.low, rate.high)
            rows.append(
                (kind, feature, *(round(number or 0, 4) for number in numbers), len(inside), len(outside))
            )
    names = [
        "attack",
        "feature",
        "auc",
        "auc_low",
        "auc_high",
        "tpr",
        "tpr_low",
        "tpr_high",
        "members",
        "others",
    ]
    return pl.DataFrame(rows, schema=names, orient="row")


METRICS = (
    Metric("membership.exemplar_auc", Direction.LOWER, 0, 1, exemplar_auc),
    Metric("membership.exemplar_tpr", Direction.LOWER, 0, 1, exemplar_tpr),
    Metric("membership.train_auc", Direction.LOWER, 0, 1, train_auc),
    Metric("membership.train_tpr", Direction.LOWER, 0, 1, train_tpr, headline=False),
)
