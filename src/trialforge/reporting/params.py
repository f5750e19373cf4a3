"""What the report shows: section `report` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from trialforge.core.params import Section


class ReportParams(Section):
    """How much of the run one page carries; exports carry all of it."""

    max_records: int = Field(ge=1, le=50_000)
