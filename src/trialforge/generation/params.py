"""Sections `reasoning` and `generation` of params.yaml: how reasons and drafts are asked for."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from trialforge.core.params import Section
from trialforge.generation.exemplars import ExemplarOrder
from trialforge.generation.prompts import LabelPosition
from trialforge.llm.backend import Sampling
from trialforge.trial.draft_fields import DraftFields
from trialforge.trial.label_words import LabelWording


class PromptParams(Section):
    """How exemplars and labels stand in a prompt; the paper's variants."""

    label_position: LabelPosition = "head"
    label_wording: LabelWording = "plain"


class ReasoningParams(PromptParams):
    """Everything about the reasons; asked once for each exemplar set."""

    exemplars: int = Field(default=3, ge=1, le=10)
    share: bool = False
    count: int = Field(default=3, ge=1, le=6)
    retries: int = Field(default=3, ge=0, le=20)
    sampling: Sampling = Sampling()


class GenerationParams(PromptParams, DraftFields):
    """Everything about the drafts: `best_of` for each target, and a call or more for each part of one."""

    model_config = ConfigDict(extra="forbid")

    exemplar_order: ExemplarOrder = "mixed"
    best_of: int = Field(default=1, ge=1, le=20)
    retries: int = Field(default=4, ge=0, le=20)
    sampling: Sampling = Sampling()
