"""The summary that `dvc metrics show` and `dvc exp show` print side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trialforge.core.files import Number, flatten
from trialforge.core.made_from import MADE_FROM, check_fit

FIDELITY = ("form_auc", "style_auc", "content_auc", "label_fidelity")


def summarise(
    validation: Mapping[str, Any], quality: Mapping[str, Any], score: Mapping[str, Any]
) -> dict[str, Number]:
    """Return the headline figures, rounded to three places; None if a run lacks one.

    They are the number of synthetic trials; how well a classifier distinguishes them from real ones by form,
    style and content; how well a classifier of real trials predicts their label; the copied share of a field
    minus that of real trials; the gain of the membership attack over the target alone; and the declared
    primary comparison: both arms, effect and interval.

    Raises:
        ArtifactError: the metrics belong to different synthetic trials.
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
