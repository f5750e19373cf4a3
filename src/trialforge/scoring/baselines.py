"""Base rates: the share of successes in a phase or therapeutic area, known without reading any text.

Also the net benefit of decisions by predicted probability, and calibration by phase.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.scoring.bootstrap import brier, pr_auc
from trialforge.scoring.paired_tests import roc_test
from trialforge.trial.therapeutic_areas import therapeutic_area

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.scoring.bootstrap import Floats
    from trialforge.scoring.scores import ArmScores
    from trialforge.scoring.scoring import Scoring

NO_PHASE = "no phase"
RATES = ("phase", "area")
_PRIOR = 5.0  # trials at the overall rate that each group starts with, because small groups are noisy
_THRESHOLDS = np.arange(1, 20) / 20


def add_groups(trials: pl.DataFrame) -> pl.DataFrame:
    """Return `nct_id`, `label`, `phase` and `area` of the labelled trials, sorted by `nct_id`."""
    named = trials.filter(pl.col("label").is_not_null()).sort("nct_id")
    return named.select("nct_id", "label", pl.col("phase").fill_null(NO_PHASE), therapeutic_area())


def base_rates(train: pl.DataFrame, test: pl.DataFrame) -> dict[str, Floats]:
    """Return, for each of RATES, the share of successes among training trials of each test trial's group.

    Args:
        train: the output of `add_groups` for the training trials.
        test: the same for the test trials.
    """
    overall = float(train["label"].to_numpy().mean())
    rate = (pl.col("label").sum() + _PRIOR * overall) / (pl.len() + _PRIOR)
    found = {}
    for name in RATES:
        rates = train.group_by(name).agg(rate=rate)
        joined = test.join(rates, on=name, how="left", maintain_order="left")
        found[name] = joined["rate"].fill_null(overall).to_numpy()
    return found


def rate_rows(rates: dict[str, Floats], scoring: Scoring, level: float) -> pl.DataFrame:
    """Return `rate_of`, ROC-AUC with its interval, PR-AUC and Brier score of each base rate."""
    once = np.ones((1, scoring.labels.size))
    rows = []
    for name, chances in rates.items():
        area = roc_test(scoring.labels, chances[None], scoring.clusters)
        low, high = area.interval(level)
        others = (float(measure(scoring.labels, chances, 0.5, once)[0]) for measure in (pr_auc, brier))
        rows.append((name, *(round(value, 6) for value in (area.value, low, high, *others))))
    names = ["rate_of", "roc_auc", "low", "high", "pr_auc", "brier"]
    return pl.DataFrame(rows, schema=names, orient="row")


def decision_rows(scores: Iterable[ArmScores], rates: dict[str, Floats]) -> pl.DataFrame:
    """Return the net benefit of taking trials at or above a probability, by model and arm.

    It is the share of trials that are taken and succeed, minus the share that are taken and fail, where a
    failure costs `threshold / (1 - threshold)` successes (Vickers and Elkin 2006). Scores are recalibrated,
    and the result is the mean over seeds. Arms without a model take all trials or go by a base rate.
    """
    scores = list(scores)
    labels = scores[0].labels
    said = {("", "all"): np.ones((1, labels.size))}
    said |= {("", f"rate of its {name}"): chances[None] for name, chances in rates.items()}
    said |= {(one.model, one.arm): one.probabilities for one in scores}
    frames = [
        pl.DataFrame({"threshold": _THRESHOLDS, "net_benefit": _net_benefit(labels, chances)}).select(
            pl.lit(model).alias("model"), pl.lit(arm).alias("arm"), pl.all().round(6)
        )
        for (model, arm), chances in said.items()
    ]
    return pl.concat(frames)


def _net_benefit(labels: NDArray[np.int64], chances: Floats) -> Floats:
    taken = chances[:, :, None] >= _THRESHOLDS
    gain = np.where(labels[:, None] == 1, 1.0, -_THRESHOLDS / (1 - _THRESHOLDS))
    return np.asarray((taken * gain).mean(axis=(0, 1)))


def phase_rows(scores: Iterable[ArmScores], phases: Sequence[str]) -> pl.DataFrame:
    """Return, by model, arm and phase, the mean probability and the share of successes with its interval.

    Args:
        scores: the scores whose probabilities are evaluated.
        phases: the phase of each test trial.
    """
    frames = []
    for one in scores:
        trials = pl.DataFrame(
            {"phase": phases, "label": one.labels, "probability": one.probabilities.mean(axis=0)}
        )
        share = pl.col("label").mean()
        by_phase = trials.group_by("phase").agg(
            pl.len().cast(pl.Int64).alias("trials"),
            pl.col("probability").mean().alias("mean_probability"),
            share.alias("share_of_successes"),
        )
        bounds = [_wilson(sign).alias(name) for name, sign in (("low", -1.0), ("high", 1.0))]
        named = by_phase.sort("phase").select(
            pl.lit(one.model).alias("model"), pl.lit(one.arm).alias("arm"), "phase", "trials",
            "mean_probability", "share_of_successes", *bounds,
        )  # fmt: skip
        frames.append(named.with_columns(pl.col(pl.Float64).round(6)))
    return pl.concat(frames)


def _wilson(sign: float) -> pl.Expr:
    """Return a bound of the 95% interval of a share (Wilson 1927)."""
    p, n, z = pl.col("share_of_successes"), pl.col("trials"), 1.96
    spread = z * (p * (1 - p) / n + z**2 / (4 * n**2)).sqrt()
    return (p + z**2 / (2 * n) + sign * spread) / (1 + z**2 / n)
