"""Section `checks` of params.yaml: where a record stops being a possible trial."""

from __future__ import annotations

from pydantic import Field

from trialforge.core.params import Section


class CheckParams(Section):
    """Bounds of the checks; `generate` asks again and `validate` rejects by the same ones."""

    min_criteria_words: int = Field(default=3, ge=0)
    max_repetition: float = Field(default=0.65, ge=0, le=1)
    min_stop_words: float = Field(default=0.05, ge=0, le=1)
    max_time_frame_years: float = Field(default=60, gt=0)
    max_enrolment: int = Field(default=1_000_000, gt=0)
