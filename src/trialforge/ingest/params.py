"""The knobs of ingest: section `ingest` of params.yaml."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from trialforge.core.params import Section

StopReason = Literal["efficacy", "safety", "enrolment", "business", "other"]


class IngestParams(Section):
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
