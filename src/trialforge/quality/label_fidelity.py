"""Does a draft say the label that was asked for, as real trials say it?"""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
import polars as pl
from scipy.stats import rankdata
from sklearn.model_selection import KFold

from trialforge.core.errors import MetricError
from trialforge.core.resampling import bootstrap_statistic
from trialforge.quality.case import Case, Side
from trialforge.quality.metric import Direction, Estimate, Metric
from trialforge.quality.twosample import fit_probe, word_probe
from trialforge.quality.views import VALUES, content_texts, shared_parts
from trialforge.simulation.model import success_probability
from trialforge.trial.text import trial_text


def auc_within(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> float:
    """Return the chance that a positive scores above a negative of its group, ties half; NaN without any."""
    codes = np.unique(groups, return_inverse=True)[1]
    sizes, positives = np.bincount(codes), np.bincount(codes, weights=labels)
    pairs = float((positives * (sizes - positives)).sum())
    # Ranks within each group: those of all rows, ordered by group first, less the rows of the groups before.
    ranks = rankdata(codes + rankdata(scores) / (len(scores) + 1)) - (np.cumsum(sizes) - sizes)[codes]
    above = float(ranks[labels == 1].sum() - (positives * (positives + 1) / 2).sum())
    return above / pairs if pairs else float("nan")


def _texts(case: Case, frame: pl.DataFrame) -> np.ndarray:
    """Return what the classifier reads: the values of closed fields, and the content of shared parts."""
    parts = shared_parts(case.candidates.frame, case.reference.frame)
    values = frame.select(trial_text(VALUES).fill_null(""))["text"]
    return np.array(
        [f"{one}\n{other}" for one, other in zip(values, content_texts(frame, parts), strict=True)]
    )


@lru_cache(maxsize=4)
def read_labels(case: Case) -> dict[str, np.ndarray]:
    """Return, by set, the label that a classifier of real trials reads from each labelled record.

    It has seen no trial of the record's intervention and none that any record of the intervention was shown,
    so that neither what is known of a drug nor a copied sentence tells the label.

    Raises:
        MetricError: records or train have no labels, or there are trials of one intervention alone.
    """
    train = case.reference.labelled()
    sets = {"": case.candidates.labelled(), "_real": train}
    if case.drafts and len(case.drafts):
        sets["_as_drafts"] = case.drafts.labelled()
    texts = {name: _texts(case, side.frame) for name, side in sets.items()}
    keys = {name: side.interventions.to_numpy() for name, side in sets.items()}
    every = np.unique(np.concatenate(list(keys.values())))
    if len(every) < 2:
        raise MetricError("all records are of one intervention: no fold has others to learn from")
    scores = {name: np.full(len(side), np.nan) for name, side in sets.items()}
    for _, places in KFold(min(case.params.folds, len(every))).split(every):
        asked = {name: np.isin(key, every[places]) for name, key in keys.items()}
        kept = ~(asked["_real"] | _were_shown(sets[""], asked[""], train))
        if len(np.unique(train.labels[kept])) < 2:
            raise MetricError("train has too few trials of both labels and of other interventions")
        probe = fit_probe(word_probe(), texts["_real"][kept], train.labels[kept])
        for name, mine in asked.items():
            if mine.any():
                scores[name][mine] = probe.predict_proba(texts[name][mine])[:, 1]
    return scores


def _were_shown(records: Side, mine: np.ndarray, train: Side) -> np.ndarray:
    """Return which train trials any of my records was shown."""
    if "exemplars" not in records.frame.columns:
        return np.zeros(len(train), dtype=bool)
    shown = records.frame.filter(pl.Series(mine))["exemplars"].explode().drop_nulls().unique()
    found: np.ndarray = train.frame["nct_id"].is_in(shown.implode()).to_numpy()
    return found


def _true_chances(case: Case, side: Side) -> np.ndarray:
    if not (case.reference.frame["source"] == "simulated").all():
        raise MetricError("the true model is known for a simulated corpus only")
    return success_probability(side.frame)


def _estimate(case: Case, side: Side, scores: np.ndarray, *use: str) -> Estimate:
    labels, groups = side.labels, side.interventions.to_numpy()

    def auc(places: np.ndarray) -> float:
        return auc_within(labels[places], scores[places], groups[places])

    value = auc(np.arange(len(labels)))
    if np.isnan(value):
        raise MetricError("no intervention has records of both labels")
    stream = case.scale.stream("label-fidelity", *use)
    low, high = bootstrap_statistic(auc, side.clusters, stream, case.params.bootstrap)
    both = side.frame.select(pl.col("label").n_unique().over(side.interventions) > 1).to_series()
    return Estimate(value, low, high, int(both.sum()))


def label_fidelity(case: Case, of: str = "") -> Estimate:
    """ROC-AUC, within interventions, by which a classifier of real trials reads the label that was asked for.

    Train on real, test on synthetic (Esteban et al. 2017, arXiv 1706.02633), with other interventions in
    training. `_real` is the same of train trials, `_as_drafts` of held-back real trials in draft form.
    """
    sides = {"": case.candidates, "_real": case.reference, "_as_drafts": case.drafts}
    if (side := sides[of]) is None or not len(side):
        raise MetricError("there are no held-back real trials", hint="run: dvc repro split")
    return _estimate(case, side.labelled(), read_labels(case)[of], "read", of)


def true_label_fidelity(case: Case, of: str = "") -> Estimate:
    """ROC-AUC, within interventions, of the true chance of success against the label that was asked for.

    The chance is that of the model from which a simulated corpus draws its outcomes. `_real` is the same of
    train trials, whose labels the model drew: the most that can be had.
    """
    side = (case.reference if of else case.candidates).labelled()
    return _estimate(case, side, _true_chances(case, side), "true", of)


def label_table(case: Case) -> pl.DataFrame:
    """Return `nct_id`, `intervention`, `label`, `read` (the chance of success that is read) and `true`.

    `true` is the chance by the model of a simulated corpus, else null. Rows are sorted by what is read least
    as it was asked for.
    """
    records = case.candidates.labelled()
    try:
        chances = _true_chances(case, records).tolist()
    except MetricError:
        chances = [None] * len(records)
    table = records.frame.select("nct_id", "label").with_columns(
        intervention=records.interventions,
        read=pl.Series(read_labels(case)[""]),
        true=pl.Series(chances, dtype=pl.Float64),
    )
    agreement = (pl.col("label") - pl.col("read")).abs()
    return table.sort(agreement, "nct_id", descending=[True, False]).with_columns(
        pl.col("read", "true").round(4)
    )


METRICS = (
    *(
        Metric(
            f"fidelity.label_fidelity{of}",
            Direction.REAL if of else Direction.HIGHER,
            0,
            1,
            partial(label_fidelity, of=of),
        )
        for of in ("", "_real", "_as_drafts")
    ),
    Metric("fidelity.label_fidelity_true", Direction.HIGHER, 0, 1, true_label_fidelity),
    Metric(
        "fidelity.label_fidelity_true_real", Direction.REAL, 0, 1, partial(true_label_fidelity, of="_real")
    ),
)
