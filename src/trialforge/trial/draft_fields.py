"""The fields that a model writes, and the parts of a record in which it writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import ConfigDict, field_validator

from trialforge.core.params import Section

PartName = Literal["header", "design", "inclusion", "exclusion"]
FIELDS_OF_PART: dict[PartName, tuple[str, ...]] = {
    "header": ("title", "official_title", "summary", "detailed_description", "keywords"),
    "design": ("interventions", "arms", "primary_outcomes", "secondary_outcomes"),
    "inclusion": ("inclusion",),
    "exclusion": ("exclusion",),
}
PARTS: tuple[PartName, ...] = tuple(FIELDS_OF_PART)
WRITTEN_FIELDS = tuple(field for fields in FIELDS_OF_PART.values() for field in fields)
# Where a skeleton has them, no check of a record lets them be absent.
NEEDED_FIELDS = ("title", "summary", "inclusion", "exclusion")
TITLES = ("title", "official_title")
SPARE = 4  # a list of criteria is asked for with one in so many besides, for one that can't be used
PROSE_FIELDS = ("summary", "detailed_description")  # texts of several sentences
ENDPOINT_FIELDS = ("primary_outcomes", "secondary_outcomes")


def with_spares(words: Sequence[int]) -> list[int]:
    """Return the words of each criterion of a list, and those of its spare ones."""
    return [*words, *words[: len(words) // SPARE]]


class DraftFields(Section):
    """Which fields a model writes: all that the form of a draft needs of section `generation`."""

    model_config = ConfigDict(extra="ignore")

    fields: tuple[str, ...] = WRITTEN_FIELDS

    @field_validator("fields")
    @classmethod
    def _check_fields(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in fields if name not in WRITTEN_FIELDS]
        if unknown or len(set(fields)) < len(fields):
            raise ValueError(
                f"list each of {', '.join(WRITTEN_FIELDS)} at most once; not {', '.join(unknown)}"
            )
        absent = [name for name in NEEDED_FIELDS if name not in fields]
        if absent:
            raise ValueError(f"a valid record needs {', '.join(absent)}")
        return tuple(name for name in WRITTEN_FIELDS if name in fields)
