"""Can an attacker tell which real trials were shown to the generator, or lay in its pool?"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from trialforge.core.errors import MetricError
from trialforge.core.resampling import percentile_interval
from trialforge.quality.case import Case
from trialforge.quality.memorisation import shown_trials
from trialforge.quality.metric import Direction, Estimate, Metric, bootstrap_mean
from trialforge.quality.twosample import roc_auc
from trialforge.quality.yardstick import match_held_out
from trialforge.trial.controls import CONTROLS
from trialforge.trial.text import field_texts
from trialforge.validation.neighbours import distance_blocks

FEATURES = ("highest", "mean of top 3", "mean")
FALSE_POSITIVES = 0.01
TARGET_FIELDS = ("conditions", "interventions", "phase")  # what the plan decides of a record
CONTROL_ARM = "random-exemplars"
MOST_OTHERS = 20  # non-members of one exemplar


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


@lru_cache(maxsize=4)
def attack_exemplars(case: Case) -> pl.DataFrame:
    """Return how well the exemplars of each set are told from train trials that match them, by two attacks.

    Columns: `arm`, `records` (ROC-AUC by the highest cosine to a record of the set), `target` (the same by
    the lines of the plan alone: intervention, conditions, phase), `members`, `others`. An exemplar is
    compared with trials of its label that the set was not shown: those of its intervention and condition,
    else of its intervention, else of its condition, else any.

    Raises:
        MetricError: no record was shown a train trial that another one matches.
    """
    frame, train = case.candidates.frame, case.pool
    arms = frame["arm"].to_numpy() if "arm" in frame.columns else np.full(len(frame), "")
    asked = case.scale.space.embed(field_texts(frame, TARGET_FIELDS).to_list())
    matches, stream = _Matches(train.frame), case.scale.stream("membership", "others")
    rows = []
    pairs = shown_trials(case)
    pairs = pairs.with_columns(set=pl.Series(case.candidates.sets).gather(pairs["record"]))
    for (_,), group in pairs.group_by("set", maintain_order=True):
        shown, own = group["trial"].unique().sort().to_numpy(), group["record"].unique().sort().to_numpy()
        beside = [(trial, matches.find(trial, shown, stream)) for trial in shown]
        found = [(trial, others) for trial, others in beside if len(others)]
        if found:
            told = [
                np.mean([_rank(train.rows[np.append(others, trial)], seen[own]) for trial, others in found])
                for seen in (case.candidates.rows, asked)
            ]
            rows.append((str(arms[own[0]]), *map(float, told), len(found), sum(len(one) for _, one in found)))
    if not rows:
        raise MetricError("the set has no record whose exemplars are train trials that others match")
    return pl.DataFrame(rows, schema=["arm", "records", "target", "members", "others"], orient="row")


def _rank(trials: np.ndarray, seen: np.ndarray) -> float:
    """Return the share of trials that are less like what is seen than the last one; ties count half."""
    scores = (trials @ seen.T).max(axis=1)
    others = scores[:-1]
    return float((others < scores[-1]).mean() + (others == scores[-1]).mean() / 2)


class _Matches:
    """Train trials that are like an exemplar in what retrieval looks for."""

    def __init__(self, train: pl.DataFrame) -> None:
        self._labels = train["label"].to_numpy() if "label" in train.columns else np.zeros(len(train))
        self._keys: list[list[list[str]]] = []
        self._rows: list[dict[str, list[int]]] = []
        for name in ("normalized_interventions", "conditions"):
            lists = train[name].to_list() if name in train.columns else [[]] * len(train)
            keys = [[key.lower() for key in one or [] if key not in CONTROLS] for one in lists]
            rows: dict[str, list[int]] = {}
            for row, one in enumerate(keys):
                for key in one:
                    rows.setdefault(key, []).append(row)
            self._keys.append(keys)
            self._rows.append(rows)

    def find(self, trial: int, shown: np.ndarray, stream: np.random.Generator) -> np.ndarray:
        """Return at most MOST_OTHERS rows of the closest kind that is not empty."""
        alike = [
            {row for key in keys[trial] for row in rows[key]}
            for keys, rows in zip(self._keys, self._rows, strict=True)
        ]
        for kind in (alike[0] & alike[1], *alike, range(len(self._labels))):
            found = np.array(sorted(kind), dtype=np.int64)
            found = found[(self._labels[found] == self._labels[trial]) & ~np.isin(found, shown)]
            if len(found):
                return np.sort(stream.permutation(found)[:MOST_OTHERS])
        return np.empty(0, dtype=np.int64)


def _mean_of_sets(case: Case, values: np.ndarray, name: str) -> Estimate:
    estimate = bootstrap_mean(values, case.scale.stream("membership", name), case.params.bootstrap)
    return estimate if len(values) > 1 else Estimate(estimate.value, n=1)


def _gain(case: Case, *, control: bool) -> Estimate:
    sets = attack_exemplars(case).filter((pl.col("arm") == CONTROL_ARM) == control)
    if sets.is_empty():
        raise MetricError(f"the set has no record of {'the' if control else 'another'} arm {CONTROL_ARM}")
    return _mean_of_sets(case, (sets["records"] - sets["target"]).to_numpy(), f"gain {control}")


def exemplar_gain(case: Case) -> Estimate:
    """ROC-AUC of telling which train trials a set of records was shown, minus that from its target alone.

    A membership inference attack (Shokri et al. 2017) without the model, as GAN-Leaks (Chen et al. 2020), by
    the highest cosine to a record. What was retrieved for a target is like the target, so that only what is
    above the same attack by the plan's lines speaks of the records; 0 tells nothing. Others are train trials
    of like intervention, condition and label; sets of exemplars weigh alike, and the interval draws them.
    """
    return _gain(case, control=False)


def control_gain(case: Case) -> Estimate:
    """The same of the arm `random-exemplars`, whose exemplars no search has chosen."""
    return _gain(case, control=True)


@lru_cache(maxsize=8)
def _attack(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return features of trials of the pool and of held-out ones."""
    matched, records = match_held_out(case), case.candidates.rows
    return attack_features(matched.train.rows, records), attack_features(matched.held_out.rows, records)


def _auc(inside: np.ndarray, outside: np.ndarray) -> float:
    labels = np.repeat([1, 0], [len(inside), len(outside)])
    return roc_auc(labels, np.concatenate([inside, outside]))


@lru_cache(maxsize=16)
def _estimates(case: Case, feature: int) -> tuple[Estimate, Estimate]:
    inside, outside = (features[:, feature] for features in _attack(case))
    stream = case.scale.stream("membership", "train", feature)
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


def train_auc(case: Case) -> Estimate:
    """ROC-AUC of guessing which real trials lay in the pool rather than held out; .5 is best.

    Pool trials are those of like era, phase and sponsor class as the held-out ones, which are newer:
    unmatched, the attack partly tells the calendar.
    """
    return _estimates(case, 0)[0]


def train_tpr(case: Case) -> Estimate:
    """Share of pool trials found at 1% false positives, by highest cosine (Carlini et al. 2022).

    At none where there are fewer than 100 non-members; the table of the attacks has the rate.
    """
    return _estimates(case, 0)[1]


def membership_table(case: Case) -> pl.DataFrame:
    """Return the attacks with intervals and the numbers of members and non-members.

    On exemplars, by arm: from the records, from the target alone, and the `gain` of the first. On train by
    each feature: `tpr` is read at the rate of false positives `fpr`, the highest that 1% allows of so many.
    """
    rows: list[dict[str, object]] = []
    try:
        sets = attack_exemplars(case)
    except MetricError:
        sets = pl.DataFrame()
    for (arm,), group in sets.group_by("arm", maintain_order=True) if len(sets) else ():
        gain = _mean_of_sets(case, (group["records"] - group["target"]).to_numpy(), f"table {arm}")
        for source in ("records", "target"):
            auc = _mean_of_sets(case, group[source].to_numpy(), f"{source} {arm}")
            row = {"attack": f"exemplars {arm}".strip(), "feature": source, **_columns("auc", auc)}
            row |= _columns("gain", gain) if source == "records" else {}
            rows.append(row | {"members": group["members"].sum(), "others": group["others"].sum()})
    inside, outside = _attack(case)
    for place, feature in enumerate(FEATURES):
        auc, rate = _estimates(case, place)
        row = {"attack": "train", "feature": feature, **_columns("auc", auc), **_columns("tpr", rate)}
        row["fpr"] = round(false_positive_rate(outside[:, place]), 4)
        rows.append(row | {"members": len(inside), "others": len(outside)})
    return pl.DataFrame(rows, schema=_TABLE)


def _columns(name: str, found: Estimate) -> dict[str, object]:
    return {
        f"{name}{ending}": None if value is None else round(value, 4)
        for ending, value in (("", found.value), ("_low", found.low), ("_high", found.high))
    }


_NUMBERS = tuple(f"{name}{ending}" for name in ("auc", "gain", "tpr") for ending in ("", "_low", "_high"))
_TABLE = (
    dict.fromkeys(("attack", "feature"), pl.String())
    | dict.fromkeys((*_NUMBERS, "fpr"), pl.Float64())
    | dict.fromkeys(("members", "others"), pl.Int64())
)

METRICS = (
    Metric("membership.gain", Direction.LOWER, -1, 1, exemplar_gain),
    Metric("membership.control_gain", Direction.LOWER, -1, 1, control_gain),
    Metric("membership.train_auc", Direction.LOWER, 0, 1, train_auc),
    Metric("membership.train_tpr", Direction.LOWER, 0, 1, train_tpr, headline=False),
)
