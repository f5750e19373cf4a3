"""Can an attacker tell which real trials were shown to the generator, or lay in its pool?"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from trialforge.core.errors import MetricError
from trialforge.core.resampling import percentile_interval
from trialforge.quality.case import Case
from trialforge.quality.memorisation import shown_trials
from trialforge.quality.metric import Direction, Estimate, Metric
from trialforge.quality.twosample import roc_auc
from trialforge.quality.yardstick import match_held_out
from trialforge.validation.neighbours import distance_blocks

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
    """Return the share of members above the score that 1% of non-members exceed (Carlini et al. 2022).

    Of fewer than 100 non-members none may exceed it: the rate of false positives is then 0, not 1%.
    """
    return float((inside > _threshold(outside)).mean())


def false_positive_rate(outside: np.ndarray) -> float:
    """Return the share of non-members above that score: at most 1%, in steps of one non-member."""
    return float((outside > _threshold(outside)).mean())


def _threshold(outside: np.ndarray) -> float:
    allowed = int(FALSE_POSITIVES * len(outside))
    return float(np.sort(outside)[len(outside) - allowed - 1])


@lru_cache(maxsize=8)
def _attack(case: Case, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return features of members and non-members."""
    records = case.candidates.rows
    if kind == "train":
        matched = match_held_out(case)
        return attack_features(matched.train.rows, records), attack_features(matched.held_out.rows, records)
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
    """Share of shown trials found at 1% false positives, by highest cosine (Carlini et al. 2022).

    At none where there are fewer than 100 non-members; the table of the attacks has the rate.
    """
    return _estimates(case, "exemplars", 0)[1]


def train_auc(case: Case) -> Estimate:
    """ROC-AUC of guessing which real trials lay in the pool rather than held out; .5 is best.

    Pool trials are those of like era, phase and sponsor class as the held-out ones, which are newer:
    unmatched, the attack partly tells the calendar.
    """
    return _estimates(case, "train", 0)[0]


def train_tpr(case: Case) -> Estimate:
    """Share of pool trials found at 1% false positives (or none, as `exemplar_tpr`), by highest cosine."""
    return _estimates(case, "train", 0)[1]


def membership_table(case: Case) -> pl.DataFrame:
    """Return both attacks by each feature, with intervals and the numbers of members and non-members.

    `tpr` is read at the rate of false positives `fpr`, the highest that 1% allows of so many non-members.
    """
    rows = []
    for kind in ("exemplars", "train"):
        try:
            inside, outside = _attack(case, kind)
        except MetricError:
            continue
        for place, feature in enumerate(FEATURES):
            auc, rate = _estimates(case, kind, place)
            false = false_positive_rate(outside[:, place])
            numbers = (auc.value, auc.low, auc.high, rate.value, rate.low, rate.high, false)
            rows.append(
                (kind, feature, *(round(number or 0, 4) for number in numbers), len(inside), len(outside))
            )
    names = [
        "attack", "feature", "auc", "auc_low", "auc_high", "tpr", "tpr_low", "tpr_high", "fpr", "members",
        "others",
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=names, orient="row")


METRICS = (
    Metric("membership.exemplar_auc", Direction.LOWER, 0, 1, exemplar_auc),
    Metric("membership.exemplar_tpr", Direction.LOWER, 0, 1, exemplar_tpr),
    Metric("membership.train_auc", Direction.LOWER, 0, 1, train_auc),
    Metric("membership.train_tpr", Direction.LOWER, 0, 1, train_tpr, headline=False),
)
