"""Section `reasoning` of params.yaml: what the model is asked about the exemplars."""

from __future__ import annotations

from pydantic import Field

from trialforge.core.params import Section
from trialforge.generation.rendering import LabelPosition, LabelWording
from trialforge.llm.backend import Sampling


class PromptParams(Section):
    """How exemplars and labels stand in a prompt; the paper's variants."""

    label_position: LabelPosition = "head"
    label_wording: LabelWording = "plain"


class ReasoningParams(PromptParams):
    """Everything about the reasons; asked once for each exemplar set."""

    exemplars: int = Field(default=3, ge=1, le=10)
    share: bool = True
    count: int = Field(default=3, ge=1, le=6)
    retries: int = Field(default=3, ge=0, le=20)
    sampling: Sampling = Sampling()
