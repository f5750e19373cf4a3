"""The few figures that `dvc metrics show` and `dvc exp show` print side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trialforge.core.files import Number, flatten
from trialforge.core.made_from import MADE_FROM, check_fit

FIDELITY = ("form_auc", "style_auc", "content_auc", "label_fidelity")


def summarise(
    validation: Mapping[str, Any], quality: Mapping[str, Any], score: Mapping[str, Any]
) -> dict[str, Number]:
    """Return the headline figures, rounded to three places; None where a run has none.

    How many synthetic trials there are, how well a classifier tells them from real ones by form, style and
    content, how well one of real trials reads their label, how much of a field is copied above what real
    trials share, how well records tell their exemplars above what targets tell; and the declared primary
    comparison: both arms, effect and interval.

    Raises:
        ArtifactError: the metrics are of different synthetic trials.
    """
    found = {"validation": validation, "quality": quality, "score": score}
    check_fit(found, {"synthetic": score.get(MADE_FROM, {}).get("synthetic", "")})
    scored = flatten(dict(score))
    metric, model = scored.get("primary.metric"), scored.get("primary.model")
    arms = [scored.get(f"primary.{side}") for side in ("against", "arm")]
    figures = {
        "synthetic": validation.get("accepted"),
        "acceptance_rate": validation.get("acceptance_rate"),
        **{name: quality.get(f"fidelity.{name}") for name in FIDELITY},
        "copied_ngrams": quality.get("copies.largest_excess"),
        "membership_gain": quality.get("membership.gain"),
        **{f"{metric}.{arm}": scored.get(f"{metric}.{model}.{arm}") for arm in arms},
        **{name: scored.get(f"primary.{name}") for name in ("effect", "low", "high")},
    }
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}
