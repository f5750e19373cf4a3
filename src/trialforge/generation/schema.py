"""Bounds of the texts that a prompt shows and asks for, and the JSON schemas that all questions share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Bound:
    """How much a field may hold: characters of a text, or items of a list."""

    low: int
    high: int


# Long enough for most registry entries, short enough that a small model stays on its subject. A text that
# runs into its bound ends in odd tokens: close to it only short ones fit, Chinese characters among them.
TEXT_BOUNDS: dict[str, Bound] = {
    "title": Bound(15, 200),
    "official_title": Bound(20, 220),
    "summary": Bound(40, 300),
    "detailed_description": Bound(80, 900),
    "arms.label": Bound(3, 60),
    "primary_outcomes.measure": Bound(8, 120),
    "primary_outcomes.time_frame": Bound(3, 40),
    "secondary_outcomes.measure": Bound(8, 120),
    "secondary_outcomes.time_frame": Bound(3, 40),
    "inclusion": Bound(8, 100),
    "exclusion": Bound(8, 100),
    "keywords": Bound(3, 40),
    "reason": Bound(30, 200),  # of reasoning, beside the fields of a draft
}
LIST_BOUNDS: dict[str, Bound] = {
    "primary_outcomes": Bound(1, 1),
    "secondary_outcomes": Bound(1, 2),
    "inclusion": Bound(2, 3),
    "exclusion": Bound(2, 3),
    "keywords": Bound(2, 3),
}
# The two halves of the registry's one criteria text.
CRITERIA_FIELDS = ("inclusion", "exclusion")
DESIGN_FIELDS = ("allocation", "intervention_model", "masking", "arms")
AGE_FIELDS = ("minimum_age", "maximum_age")


def bounded_string(name: str) -> dict[str, Any]:
    """Return the JSON schema of a text with its bounds."""
    return {"type": "string", "minLength": TEXT_BOUNDS[name].low, "maxLength": TEXT_BOUNDS[name].high}


def closed_object(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object that has all of `properties` and nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
