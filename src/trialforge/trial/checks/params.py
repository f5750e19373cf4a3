"""Section `checks` of params.yaml: where a record stops being a possible trial."""

from __future__ import annotations

from pydantic import Field

from trialforge.core.params import Section


class CheckParams(Section):
    """Bounds of the checks; `generate` asks again and `validate` refuses by the same ones."""

    min_criteria_words: int = Field(ge=0)
    max_repetition: float = Field(ge=0, le=1)
    min_stop_words: float = Field(ge=0, le=1)
    max_time_frame_years: float = Field(gt=0)
    max_enrolment: int = Field(gt=0)
