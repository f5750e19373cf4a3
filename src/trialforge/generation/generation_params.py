"""Section `generation` of params.yaml: how drafts are asked for."""

from __future__ import annotations

from pydantic import Field, field_validator

from trialforge.generation.draft_schema import DEFAULT_FIELDS, DRAFT_FIELDS
from trialforge.generation.exemplar_sets import ExemplarOrder
from trialforge.generation.reasoning_params import PromptParams
from trialforge.llm.backend import Sampling


class GenerationParams(PromptParams):
    """Everything about the drafts; one or more calls for each target."""

    exemplar_order: ExemplarOrder = "mixed"
    fields: tuple[str, ...] = DEFAULT_FIELDS
    retries: int = Field(default=4, ge=0, le=20)
    sampling: Sampling = Sampling()

    @field_validator("fields")
    @classmethod
    def _check_fields(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in fields if name not in DRAFT_FIELDS]
        if unknown or len(set(fields)) < len(fields):
            raise ValueError(f"each at most once of {', '.join(DRAFT_FIELDS)}; not {', '.join(unknown)}")
        if "title" not in fields:
            raise ValueError("`title` must be among them")
        return tuple(name for name in DRAFT_FIELDS if name in fields)
