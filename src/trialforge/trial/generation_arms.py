"""The ways in which the plan has records written, and which of them a training mix learns from."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

GenerationArm = Literal[
    "retrieval-reasoning", "no-reasoning", "no-retrieval", "model-alone", "plan-alone", "random-exemplars",
    "label-free",
]  # fmt: skip
WITHOUT_PROSE: GenerationArm = "plan-alone"  # records are skeletons: no model writes
WITHOUT_EXEMPLARS: tuple[GenerationArm, ...] = ("no-retrieval", "model-alone", "plan-alone")
# Reasons about the exemplars of `label-free` would tell the label.
WITHOUT_REASONS: tuple[GenerationArm, ...] = ("no-reasoning", "model-alone", "plan-alone", "label-free")
_WHOLE: GenerationArm = "retrieval-reasoning"


def learned_arm(named: str | None, made: Collection[str]) -> str:
    """Return the generation arm that a mix learns from: by default the only one, of several the whole way."""
    if named:
        return named
    return next(iter(made)) if len(made) == 1 else _WHOLE
