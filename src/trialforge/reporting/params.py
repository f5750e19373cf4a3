"""Parameters of the report: section `report` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from trialforge.core.params import Section


class ReportParams(Section):
    """How many records the page shows; exports have all of them."""

    max_records: int = Field(ge=1, le=50_000)
