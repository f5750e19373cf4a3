"""What a record to be written looks like: its structured fields whole, of its prose the lengths alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from trialforge.trial.draft_fields import WRITTEN_FIELDS
from trialforge.trial.record import (
    Allocation,
    ArmType,
    InterventionModel,
    InterventionType,
    Masking,
    Part,
    PrimaryPurpose,
    Sex,
    SponsorClass,
    schema_of,
)


class InterventionShape(Part):
    """An intervention, with the number of words of its description."""

    type: InterventionType | None = None
    name: str
    other_names: list[str] = Field(default_factory=list)
    description: int | None = None


class ArmShape(Part):
    """An arm, with the numbers of words of its label and description."""

    type: ArmType | None = None
    interventions: list[str] = Field(default_factory=list)
    label: int
    description: int | None = None


class EndpointShape(Part):
    """The numbers of words of an endpoint's parts."""

    measure: int
    time_frame: int | None = None
    description: int | None = None


class Donors(Part):
    """The trial that each block of a skeleton comes from."""

    subject: str
    texts: str
    endpoints: str
    criteria: str
    design: str
    eligibility: str
    size: str


class Skeleton(Part):
    """A record without its prose. Of a text it has the number of words, null where there is to be none."""

    title: int | None = None
    official_title: int | None = None
    summary: int | None = None
    detailed_description: int | None = None
    keywords: int = 0
    interventions: list[InterventionShape]
    arms: list[ArmShape]
    primary_outcomes: list[EndpointShape]
    secondary_outcomes: list[EndpointShape]
    inclusion: list[int]
    exclusion: list[int]
    allocation: Allocation | None = None
    intervention_model: InterventionModel | None = None
    masking: Masking | None = None
    primary_purpose: PrimaryPurpose | None = None
    minimum_age: float | None = None
    maximum_age: float | None = None
    sex: Sex | None = None
    healthy_volunteers: bool | None = None
    enrolment_planned: int | None = None
    sponsor_class: SponsorClass | None = None
    condition_mesh: list[str] = Field(default_factory=list)
    intervention_mesh: list[str] = Field(default_factory=list)
    donors: Donors


SKELETON_SCHEMA = schema_of(Skeleton)
# What each block gives, for readers.
BLOCKS: dict[str, str] = {
    "subject": "conditions and phase",
    "texts": "which texts there are, and how long",
    "endpoints": "how many endpoints, and how long",
    "criteria": "how many criteria, and how long",
    "design": "allocation, model, masking, purpose, interventions, arms",
    "eligibility": "ages, sex, healthy volunteers",
    "size": "enrolment (near it), sponsor class",
}


def filled_fields(skeleton: Mapping[str, Any]) -> list[str]:
    """Return which texts a record was asked to have, of title, summary, criteria and the sides of these."""
    named = [name for name in ("title", "summary", "inclusion", "exclusion") if skeleton[name]]
    return named + ["criteria"] * bool(skeleton["inclusion"] or skeleton["exclusion"])


def without_prose(skeleton: Mapping[str, Any]) -> dict[str, Any]:
    """Return a skeleton without a text to write, nor arms and endpoints, which their texts name."""
    blank: dict[str, Any] = {
        name: [] if isinstance(skeleton[name], list) else None for name in WRITTEN_FIELDS
    }
    named = [{**one, "description": None} for one in skeleton["interventions"]]
    return {**skeleton, **blank, "keywords": 0, "interventions": named}
