"""All metrics by name."""

from __future__ import annotations

from trialforge.quality import prdc
from trialforge.quality.metric import Metric, index_metrics

METRICS: dict[str, Metric] = index_metrics([*prdc.METRICS])
