"""What the mere presence of a field tells about the outcome, without a word of it.

A registry record is filled in over years, so a field of its last version may be there because the trial went
well. Presence is measured on train alone; `split` drops the fields that tell too much.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from trialforge.trial.record import REGISTRATION_FIELDS

NOT_MEASURED = (
    "nct_id", "source", "condition_mesh", "intervention_mesh", "first_submitted",
    "minimum_age", "maximum_age",  # an absent age says that there is no limit, not that nobody told it
)  # fmt: skip
FIELDS = tuple(name for name in REGISTRATION_FIELDS if name not in NOT_MEASURED)
_FOLDS = 5
_Z = 1.645  # one-sided 95%
_ONE_ERA, _OTHER_ERAS = 0.5, 0.05  # share filled in the one era at least, in each other one at most
_MOST_GAP_YEARS = 3.0


def filled(trials: pl.DataFrame) -> pl.DataFrame:
    """Return, for each field and trial, whether the field is filled."""
    lists = [name for name in FIELDS if isinstance(trials.schema[name], pl.List)]
    return trials.select(
        pl.col(name).list.len().fill_null(0) > 0 if name in lists else pl.col(name).is_not_null()
        for name in FIELDS
    )


def presence_table(train: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each field that varies: `field`, `success`, `failure` (shares filled), `auc`, `low`.

    `auc` is the ROC-AUC of the field's presence for the label, whichever way it points, and `low` its lower
    one-sided 95% bound: AUC = 1/2 + |success - failure| / 2, as both shares are of independent trials.
    """
    labelled = train.drop_nulls("label")
    bits = filled(labelled).with_columns(labelled["label"])
    success, failure = bits.filter(label=1), bits.filter(label=0)
    rows = []
    for name in FIELDS:
        if bits[name].all() or not bits[name].any() or not len(success) or not len(failure):
            continue
        shares = [float(part[name].sum()) / len(part) for part in (success, failure)]
        variance = sum(
            share * (1 - share) / len(part) for share, part in zip(shares, (success, failure), strict=True)
        )
        auc = 0.5 + abs(shares[0] - shares[1]) / 2
        rows.append((name, *shares, auc, max(auc - _Z * variance**0.5 / 2, 0.5)))
    columns = ("field", "success", "failure", "auc", "low")
    schema = {name: pl.String if name == "field" else pl.Float64 for name in columns}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("auc", "field", descending=[True, False])


def presence_auc(train: pl.DataFrame, clusters: pl.Series, seed: int) -> float | None:
    """Return how well the presence of all fields together tells the label: out-of-fold ROC-AUC.

    Args:
        train: trials with `label`.
        clusters: what stays in one fold, as the main intervention of each trial.
        seed: of the folds.
    """
    known = train["label"].is_not_null()
    labels = train.filter(known)["label"].to_numpy()
    bits = filled(train.filter(known)).to_numpy().astype(np.float64)
    if min(np.bincount(labels, minlength=2)) < _FOLDS or clusters.filter(known).n_unique() < _FOLDS:
        return None
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    model = LogisticRegression(C=1.0, max_iter=1000)
    scores = cross_val_predict(
        model, bits, labels, groups=clusters.filter(known).to_numpy(), cv=folds, method="predict_proba"
    )
    return round(float(roc_auc_score(labels, scores[:, 1])), 4)


def telling_fields(table: pl.DataFrame, maximum: float) -> list[str]:
    """Return the fields whose presence tells more than `maximum`, and more than chance would."""
    return table.filter(pl.col("auc") > maximum, pl.col("low") > 0.5)["field"].to_list()


def is_as_registered(trials: pl.DataFrame) -> bool:
    """Tell whether records are their first versions: last updated on the day they were submitted."""
    same = trials.select((pl.col("last_updated") == pl.col("first_submitted")).fill_null(False).mean()).item()
    return bool(same is not None and same > 0.99)


def drop_fields(view: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Return a registration view in which no trial fills the named fields."""
    empty: dict[str, Any] = {name: [] if isinstance(view.schema[name], pl.List) else None for name in names}
    return view.with_columns(
        pl.lit(value, dtype=view.schema[name]).alias(name) for name, value in empty.items()
    )


def era_fields(trials: pl.DataFrame) -> dict[str, str]:
    """Return the fields that one era alone fills, with its years; an era is a quarter of the trials."""
    dated = filled(trials).with_columns(
        trials["nct_id"], trials.select(pl.coalesce("start_date", "first_submitted").alias("day")).to_series()
    )
    dated = dated.drop_nulls("day")
    if len(dated) < 4:
        return {}
    ordered = dated.sort("day", "nct_id")
    quarter = pl.int_range(len(ordered), eager=True) * 4 // len(ordered)
    parts = [ordered.filter(quarter == number) for number in range(4)]
    shares = pl.concat([part.select(FIELDS).mean() for part in parts])
    years = [f"{part['day'].min().year} to {part['day'].max().year}" for part in parts]  # type: ignore[union-attr]
    found = {}
    for name in FIELDS:
        each = shares[name].to_list()
        best = max(range(4), key=each.__getitem__)
        if each[best] >= _ONE_ERA and all(each[other] <= _OTHER_ERAS for other in range(4) if other != best):
            found[name] = years[best]
    return found


def shift_metrics(trials: pl.DataFrame, split: pl.DataFrame) -> dict[str, Any]:
    """Return how far train and test lie apart in time, and how much phases and sponsor classes differ.

    `gap_years` is between the median starts; `phase_shift` and `sponsor_shift` are total variation distances.
    """
    known = trials.select("nct_id", "start_date", "first_submitted", "phase", "sponsor_class")
    kept = known.join(split.select("nct_id", "part"), on="nct_id", maintain_order="left")
    train, test = kept.filter(part="train"), kept.filter(part="test")
    found: dict[str, Any] = {}
    medians = [
        part.select(pl.coalesce("start_date", "first_submitted").median()).item() for part in (train, test)
    ]
    if all(day is not None for day in medians):
        found["gap_years"] = round((medians[1] - medians[0]).days / 365.25, 2)
    for key, name in (("phase_shift", "phase"), ("sponsor_shift", "sponsor_class")):
        shares = [part[name].fill_null("none").value_counts(normalize=True) for part in (train, test)]
        both = shares[0].join(shares[1], on=name, how="full", coalesce=True).fill_null(0.0)
        found[key] = round(float((both["proportion"] - both["proportion_right"]).abs().sum()) / 2, 4)
    return found


def warn_of_shift(shift: dict[str, Any], dropped: int) -> None:
    """Say on standard error where train and test lie years apart."""
    gap = shift.get("gap_years")
    if gap is not None and abs(gap) > _MOST_GAP_YEARS:
        sys.stderr.write(
            f"warning: the median test trial starts {gap:.1f} years after the median train trial; "
            f"phases differ by {shift['phase_shift']:.0%}, sponsor classes by {shift['sponsor_shift']:.0%}; "
            f"{dropped} trials between them are dropped\n  next: see split.test_from and ingest.population\n"
        )
