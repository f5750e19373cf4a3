"""All metrics by name."""

from __future__ import annotations

from trialforge.quality import (
    copies,
    cosine,
    diversity,
    exposure,
    label_fidelity,
    leaks,
    marginals,
    membership,
    memorisation,
    mmd,
    prdc,
    privacy,
    probe,
    skeletons,
    tells,
    twosample,
    vocabulary,
)
from trialforge.quality.metric import Metric, index_metrics

METRICS: dict[str, Metric] = index_metrics(
    [
        *prdc.METRICS,
        *mmd.METRICS,
        *twosample.METRICS,
        *label_fidelity.METRICS,
        *cosine.METRICS,
        *marginals.METRICS,
        *vocabulary.METRICS,
        *diversity.METRICS,
        *copies.METRICS,
        *memorisation.METRICS,
        *privacy.METRICS,
        *skeletons.METRICS,
        *exposure.METRICS,
        *membership.METRICS,
        *probe.METRICS,
        *tells.METRICS,
        *leaks.METRICS,
    ]
)
