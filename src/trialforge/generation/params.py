"""Sections `reasoning` and `generation` of params.yaml: how reasons and drafts are asked for."""

from __future__ import annotations

from pydantic import Field, field_validator

from trialforge.core.params import Section
from trialforge.generation.exemplars import ExemplarOrder
from trialforge.generation.parts import WRITTEN_FIELDS
from trialforge.generation.prompts import LabelPosition
from trialforge.llm.backend import Sampling
from trialforge.trial.label_words import LabelWording

# Where a skeleton has them, no check of a record lets them be absent.
NEEDED_FIELDS = ("title", "summary", "inclusion", "exclusion")


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


class GenerationParams(PromptParams):
    """Everything about the drafts; a call or more for each part of a target."""

    exemplar_order: ExemplarOrder = "mixed"
    fields: tuple[str, ...] = WRITTEN_FIELDS
    retries: int = Field(default=4, ge=0, le=20)
    sampling: Sampling = Sampling()

    @field_validator("fields")
    @classmethod
    def _check_fields(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in fields if name not in WRITTEN_FIELDS]
        if unknown or len(set(fields)) < len(fields):
            raise ValueError(f"each at most once of {', '.join(WRITTEN_FIELDS)}; not {', '.join(unknown)}")
        absent = [name for name in NEEDED_FIELDS if name not in fields]
        if absent:
            raise ValueError(f"no record is valid without {', '.join(absent)}")
        return tuple(name for name in WRITTEN_FIELDS if name in fields)
