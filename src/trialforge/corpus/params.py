"""The knobs of the corpus: section `corpus` of params.yaml."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from trialforge.core.params import Section

StopReason = Literal["efficacy", "safety", "enrolment", "business", "other"]


class CorpusParams(Section):
    """Where trials come from. Paths are a user's own files, so they are parameters."""

    source: Literal["simulated", "ctgov-xml", "ctgov-json", "top"] = "simulated"
    path: str | None = None
    top_path: str | None = None
    records: Literal["ctgov-xml", "ctgov-json"] | None = None
    simulated_trials: int = Field(default=700, ge=1, le=1_000_000)
    labels: Literal["status", "results", "votes", "top", "csv"] = "status"
    labels_path: str | None = None
    failure_reasons: tuple[StopReason, ...] = get_args(StopReason)
    significance: float = Field(default=0.05, gt=0, lt=1)
    vocabulary: str | None = None


class SplitParams(Section):
    """How trials are parted: `test_size` of all that are kept, `validation_size` of what is not test.

    With `test_from`, those that start on this day or later are test, whatever their share.
    """

    strategy: Literal["official", "temporal", "intervention", "random"]
    test_size: float = Field(gt=0, lt=1)
    validation_size: float = Field(gt=0, lt=1)
    near_duplicate: float = Field(gt=0, le=1)
    test_from: date | None = None

    @model_validator(mode="after")
    def _check_date(self) -> Self:
        if self.test_from is not None and self.strategy != "temporal":
            raise ValueError(f"`test_from` cuts by date and needs `strategy: temporal`, not {self.strategy}")
        return self


GenerationArm = Literal["retrieval-reasoning", "no-reasoning", "no-retrieval", "random-exemplars"]


class PlanParams(Section):
    """What is to be generated."""

    min_success: int = Field(ge=1)
    min_failure: int = Field(ge=1)
    interventions: int = Field(ge=1)
    records: int = Field(ge=1)
    arms: tuple[GenerationArm, ...] = Field(min_length=1)
