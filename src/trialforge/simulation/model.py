"""The model that the simulated outcome is drawn from, and the best ROC-AUC that it leaves room for.

It reads only what the text of a trial says at registration, so that a classifier can learn it. The
effects are random numbers, drawn once and for all: they tell nothing of real drugs.
"""

from __future__ import annotations

from functools import cache, reduce
from operator import add

import numpy as np
import polars as pl

from trialforge.core.rng import random_stream
from trialforge.simulation.areas import AREAS

INTERCEPT = 0.3
PHASES = {"Phase 1": -0.1, "Phase 2": -0.1, "Phase 3": 0.1, "Phase 4": 0.2}
MASKINGS = {"None": 0.2, "Double": 0.0, "Quadruple": -0.3}
SPONSORS = {"Industry": 0.3, "NIH": 0.1, "Other": -0.3}
# Phrases of the criteria, each present in a third of the trials.
CRITERIA_SIGNS: dict[str, float] = {
    "At least two prior lines of therapy have been ineffective": -1.2,
    "Positive predictive biomarker confirmed by a central laboratory": 1.2,
    "Able to complete a four-week run-in period with 80% adherence": 0.9,
    "Willing to stay in hospital for the whole treatment period": -0.9,
}


def success_probability(trials: pl.DataFrame) -> np.ndarray:
    """Return the model's chance of success of simulated trials, by their registration fields alone."""
    effects = drug_effects()
    criteria = pl.col("criteria").fill_null("")
    signs = [
        pl.when(criteria.str.contains(phrase, literal=True)).then(effect).otherwise(0.0)
        for phrase, effect in CRITERIA_SIGNS.items()
    ]
    terms = [
        pl.col("intervention_mesh").list.eval(pl.element().replace_strict(effects, default=0.0)).list.mean(),
        pl.col("condition_mesh")
        .list.eval(pl.element().replace_strict(condition_effects(), default=0.0))
        .list.mean(),
        pl.col("phase").replace_strict(PHASES, default=0.0),
        pl.col("masking").replace_strict(MASKINGS, default=0.0),
        pl.col("sponsor_class").replace_strict(SPONSORS, default=0.0),
        *signs,
    ]
    # `sum_horizontal` adds in an order that depends on which thread is free, so its last bit differs by run.
    log_odds = reduce(add, (term.fill_null(0.0) for term in terms), pl.lit(INTERCEPT))
    return trials.select(1 / (1 + (-log_odds).exp())).to_series().to_numpy()


def best_roc_auc(probability: np.ndarray) -> float:
    """Return the expected ROC-AUC of ranking by the true chance of success, which nothing can beat.

    Over pairs of trials i, j the sum of p_i (1 - p_j) [p_i > p_j], ties by half, over that of i != j.
    """
    order = np.argsort(probability, kind="stable")
    chance = probability[order]
    failures = np.concatenate([[0.0], np.cumsum(1 - chance)])
    below = failures[np.searchsorted(chance, chance, "left")]
    upto = failures[np.searchsorted(chance, chance, "right")]
    tied = upto - below - (1 - chance)
    pairs = chance.sum() * (1 - chance).sum() - (chance * (1 - chance)).sum()
    return float((chance * (below + tied / 2)).sum() / pairs)


@cache
def drug_effects() -> dict[str, float]:
    """Return the drawn effect of each drug on the log-odds."""
    stream = random_stream(0, "simulated-drug-effects")
    names = [drug.name for area in AREAS.values() for drug in area.drugs]
    return dict(zip(names, stream.normal(0, 1.05, len(names)).tolist(), strict=True))


@cache
def condition_effects() -> dict[str, float]:
    """Return the drawn effect of each condition on the log-odds."""
    stream = random_stream(0, "simulated-condition-effects")
    drugs = [drug for area in AREAS.values() for drug in area.drugs]
    names = sorted({name for drug in drugs for name in drug.conditions})
    return dict(zip(names, stream.normal(0, 0.4, len(names)).tolist(), strict=True))
