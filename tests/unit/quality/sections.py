"""The sections of the committed params.yaml that the measures read."""

from __future__ import annotations

from pathlib import Path

from trialforge.core.params import load_section
from trialforge.validation.params import ValidationParams

VALIDATION = load_section(ValidationParams, "validation", Path(__file__).parents[3] / "params.yaml")
