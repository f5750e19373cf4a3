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

# In the order of the table of measures.
_MODULES = (
    prdc, mmd, twosample, label_fidelity, cosine, marginals, vocabulary, diversity, copies, memorisation,
    privacy, skeletons, exposure, membership, probe, tells, leaks,
)  # fmt: skip
METRICS: dict[str, Metric] = index_metrics(metric for module in _MODULES for metric in module.METRICS)
