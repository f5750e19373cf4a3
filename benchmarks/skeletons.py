"""Do the blocks of a skeleton, which come from different trials, fit together?

A classifier tries to tell structured fields of skeletons from those of the real trials that they were drawn
for: phase and therapeutic area, design, ages, sex, sponsor, enrolment, kinds and number of interventions. At
.5 it can't. A skeleton that copies one trial can't be told either, so the share whose design is that of the
subject stands beside it. The baseline takes all trials to be equally near.
"""

from __future__ import annotations

import time
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from benchmarks._sample import AACT, SAMPLE, registered_sample
from trialforge.split import skeletons
from trialforge.split.nearness import Nearness
from trialforge.split.params import PlanParams
from trialforge.split.plan import plan_targets
from trialforge.trial.therapeutic_areas import therapeutic_area

PARAMS = PlanParams(
    min_success=1, min_failure=1, interventions=200, records=6, generations=1, arms=("plan-alone",)
)  # fmt: skip
SEEDS = 5
_CATEGORIES = (
    "phase", "area", "allocation", "intervention_model", "masking", "primary_purpose", "sex",
    "healthy_volunteers", "sponsor_class", "kinds",
)  # fmt: skip


class _Anywhere(Nearness):
    """Takes all trials to be equally near."""

    def compare(self, place: int, intervention: str) -> pl.DataFrame:
        shared = super().compare(place, intervention)
        alike = pl.lit(value=True)
        return shared.with_columns(area=alike, phase=alike, conditions=pl.lit(1.0), score=pl.lit(1.0))


def main() -> None:
    """Print for each corpus how well skeletons are told from real trials, by either way to draw them."""
    for name, path in (("AACT", AACT), ("legacy XML", SAMPLE)):
        if not path.exists():
            print(f"{name}: skipped, no {path}")
            continue
        train = registered_sample(path).with_columns(therapeutic_area())
        for told, nearness in (("trials at random", _Anywhere), ("nearest trials", Nearness)):
            start = time.perf_counter()
            with patch.object(skeletons, "Nearness", nearness):
                plan = plan_targets(train, PARAMS, 1)
            seconds = time.perf_counter() - start
            areas = _two_sample(plan, train)
            donors = plan["skeleton"].struct.field("donors").struct
            own = np.mean(donors.field("design").to_numpy() == donors.field("subject").to_numpy())
            print(
                f"{name}, {plan.height} skeletons from {told}: ROC-AUC {np.mean(areas):.3f} "
                f"({min(areas):.3f} to {max(areas):.3f} in {SEEDS} divisions), the subject's design in "
                f"{own:.2f}, drawn in {seconds:.1f} s",
                flush=True,
            )


def _two_sample(plan: pl.DataFrame, train: pl.DataFrame) -> list[float]:
    """Return the out-of-fold ROC-AUC of each division into folds; a trial and its skeletons share one."""
    trials = {row["nct_id"]: row for row in train.iter_rows(named=True)}
    drawn = [
        (trials[row["skeleton"]["donors"]["subject"]], row["skeleton"]) for row in plan.iter_rows(named=True)
    ]
    pairs = [*drawn, *((trial, trial) for trial, _ in drawn)]
    x = _read(pl.DataFrame([_fields(*pair) for pair in pairs], infer_schema_length=None))
    y = np.arange(len(pairs)) < len(drawn)
    groups = np.unique([trial["nct_id"] for trial, _ in pairs], return_inverse=True)[1]
    areas = []
    for seed in range(SEEDS):
        mixed = np.random.default_rng(seed).permutation(len(trials))[groups]
        scores = np.empty(len(y))
        for rest, fold in GroupKFold(5).split(x, y, mixed):
            model = HistGradientBoostingClassifier(
                categorical_features=list(range(len(_CATEGORIES))), max_iter=150, learning_rate=0.05,
                max_leaf_nodes=15, random_state=seed,
            )  # fmt: skip
            scores[fold] = model.fit(x[rest], y[rest]).predict_proba(x[fold])[:, 1]
        areas.append(float(roc_auc_score(y, scores)))
    return areas


def _fields(subject: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    """The structured fields of a trial or of a skeleton that was drawn for it."""
    kinds = sorted({str(one["type"]) for one in shown["interventions"] or []})
    told = subject | shown | {"kinds": ", ".join(kinds), "area": subject["area"], "phase": subject["phase"]}
    return {name: str(told[name]) for name in _CATEGORIES} | {
        "low": told["minimum_age"],
        "high": told["maximum_age"],
        "enrolment": told["enrolment_planned"],
        "interventions": len(shown["interventions"] or []),
    }


def _read(fields: pl.DataFrame) -> np.ndarray:
    codes = [pl.col(name).rank("dense").clip(upper_bound=250) for name in _CATEGORIES]
    return fields.with_columns(codes).cast(pl.Float64).fill_null(-1).to_numpy()
