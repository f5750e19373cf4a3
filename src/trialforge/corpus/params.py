"""The knobs of the corpus: section `corpus` of params.yaml."""

from __future__ import annotations

from typing import Literal

from trialforge.params import Section


class CorpusParams(Section):
    """Where trials come from. Paths are a user's own files, so they are parameters."""

    source: Literal["simulated", "ctgov-xml", "ctgov-json", "top"] = "simulated"
    path: str | None = None
    top_path: str | None = None
    records: Literal["ctgov-xml", "ctgov-json"] | None = None
