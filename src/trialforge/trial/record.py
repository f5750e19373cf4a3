"""The one record: a clinical trial, real, simulated or synthetic.

The fields are defined once, here. From them come the polars schema of every table of trials,
the part of the JSON schema that a language model fills, and (in `text`) the words that
retrieval, prompts and classifiers read. Each field says when its value is known: what is known
at registration may be shown to them; what is revealed later (status, results, actual dates and
numbers) may not, because it tells the outcome.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

Row = Mapping[str, Any]  # a record as a row of a table
Phase = Literal[
    "Early Phase 1", "Phase 1", "Phase 1/Phase 2", "Phase 2", "Phase 2/Phase 3", "Phase 3", "Phase 4", "N/A"
]  # fmt: skip
StudyType = Literal["Interventional", "Observational", "Expanded Access"]
InterventionType = Literal[
    "Drug", "Device", "Biological", "Procedure", "Radiation", "Behavioral", "Genetic",
    "Dietary Supplement", "Combination Product", "Diagnostic Test", "Other",
]  # fmt: skip
ArmType = Literal[
    "Experimental", "Active Comparator", "Placebo Comparator", "Sham Comparator", "No Intervention", "Other"
]  # fmt: skip
Allocation = Literal["Randomized", "Non-Randomized", "N/A"]
InterventionModel = Literal["Single Group", "Parallel", "Crossover", "Factorial", "Sequential"]
Masking = Literal["None", "Single", "Double", "Triple", "Quadruple"]
PrimaryPurpose = Literal[
    "Treatment", "Prevention", "Diagnostic", "Supportive Care", "Screening",
    "Health Services Research", "Basic Science", "Device Feasibility", "ECT", "Other",
]  # fmt: skip
Sex = Literal["All", "Female", "Male"]
SponsorClass = Literal[
    "Industry", "NIH", "Federal", "Other Government", "Network", "Individual", "Ambiguous", "Unknown", "Other"
]  # fmt: skip
Status = Literal[
    "Not yet recruiting", "Recruiting", "Enrolling by invitation", "Active, not recruiting",
    "Completed", "Suspended", "Terminated", "Withdrawn", "Available", "No longer available",
    "Temporarily not available", "Approved for marketing", "Withheld", "Unknown status",
]  # fmt: skip
Source = Literal["ctgov-xml", "ctgov-json", "ctgov-csv", "aact", "top", "simulated", "synthetic"]

SYNTHETIC_PREFIX = "SYN-"


@dataclass(frozen=True, slots=True)
class Facet:
    """What a field is to the pipeline.

    Attributes:
        later: whether its value is known only after registration.
        heading: how the field is headed in text; None keeps it out of all text.
    """

    later: bool
    heading: str | None = None


def registered(heading: str | None = None) -> Facet:
    """Mark a field as known at registration."""
    return Facet(later=False, heading=heading)


LATER = Facet(later=True)


class Part(BaseModel):
    """Base of the records below: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Intervention(Part):
    """What is given or done to the participants."""

    type: InterventionType | None = None
    name: str
    description: str | None = None
    other_names: list[str] = Field(default_factory=list)


class Arm(Part):
    """A group of participants who are treated alike."""

    label: str
    type: ArmType | None = None
    description: str | None = None
    interventions: list[str] = Field(default_factory=list)


class Endpoint(Part):
    """An outcome that the trial measures (not its outcome label)."""

    measure: str
    time_frame: str | None = None
    description: str | None = None


class Analysis(Part):
    """A posted statistical analysis of a primary endpoint."""

    p_value: str | None = None
    method: str | None = None
    hypothesis: str | None = None


class Trial(Part):
    """A trial. Ages are in years, dates are the registry's (the first day where only a month is given)."""

    nct_id: Annotated[str, registered()]
    source: Annotated[Source, registered()]
    title: Annotated[str | None, registered("Title")] = None
    official_title: Annotated[str | None, registered("Official title")] = None
    phase: Annotated[Phase | None, registered("Phase")] = None
    study_type: Annotated[StudyType | None, registered("Study type")] = None
    conditions: Annotated[list[str], registered("Conditions")] = Field(default_factory=list)
    interventions: Annotated[list[Intervention], registered("Interventions")] = Field(default_factory=list)
    summary: Annotated[str | None, registered("Summary")] = None
    allocation: Annotated[Allocation | None, registered("Allocation")] = None
    intervention_model: Annotated[InterventionModel | None, registered("Intervention model")] = None
    masking: Annotated[Masking | None, registered("Masking")] = None
    primary_purpose: Annotated[PrimaryPurpose | None, registered("Primary purpose")] = None
    arms: Annotated[list[Arm], registered("Arms")] = Field(default_factory=list)
    primary_outcomes: Annotated[list[Endpoint], registered("Primary outcomes")] = Field(default_factory=list)
    secondary_outcomes: Annotated[list[Endpoint], registered("Secondary outcomes")] = Field(
        default_factory=list
    )
    criteria: Annotated[str | None, registered("Eligibility criteria")] = None
    minimum_age: Annotated[float | None, registered("Minimum age")] = None
    maximum_age: Annotated[float | None, registered("Maximum age")] = None
    sex: Annotated[Sex | None, registered("Sex")] = None
    healthy_volunteers: Annotated[bool | None, registered("Healthy volunteers")] = None
    # Planned numbers are known at registration; the registry overwrites them by actual ones, which
    # tell that a trial stopped early, so the two are two fields.
    enrolment_planned: Annotated[int | None, registered("Planned enrolment")] = None
    detailed_description: Annotated[str | None, registered("Detailed description")] = None
    keywords: Annotated[list[str], registered("Keywords")] = Field(default_factory=list)
    condition_mesh: Annotated[list[str], registered()] = Field(default_factory=list)
    intervention_mesh: Annotated[list[str], registered()] = Field(default_factory=list)
    sponsor_class: Annotated[SponsorClass | None, registered("Sponsor class")] = None
    first_submitted: Annotated[date | None, registered()] = None

    enrolment_actual: Annotated[int | None, LATER] = None
    # Sites, and so countries, are added as a trial goes on; a withdrawn trial often has none.
    countries: Annotated[list[str], LATER] = Field(default_factory=list)
    start_date: Annotated[date | None, LATER] = None
    primary_completion_date: Annotated[date | None, LATER] = None
    completion_date: Annotated[date | None, LATER] = None
    last_updated: Annotated[date | None, LATER] = None
    status: Annotated[Status | None, LATER] = None
    why_stopped: Annotated[str | None, LATER] = None
    has_results: Annotated[bool | None, LATER] = None
    primary_analyses: Annotated[list[Analysis], LATER] = Field(default_factory=list)
    label: Annotated[Literal[0, 1] | None, LATER] = None
    label_source: Annotated[str | None, LATER] = None
    label_evidence: Annotated[str | None, LATER] = None
    # What each source of labels says by itself.
    label_csv: Annotated[Literal[0, 1] | None, LATER] = None
    label_results: Annotated[Literal[0, 1] | None, LATER] = None
    label_status: Annotated[Literal[0, 1] | None, LATER] = None
    label_top: Annotated[Literal[0, 1] | None, LATER] = None


def facet(name: str) -> Facet:
    """Return what field `name` of Trial is to the pipeline."""
    return next(mark for mark in Trial.model_fields[name].metadata if isinstance(mark, Facet))


REGISTRATION_FIELDS: tuple[str, ...] = tuple(name for name in Trial.model_fields if not facet(name).later)
TEXT_FIELDS: tuple[str, ...] = tuple(name for name in REGISTRATION_FIELDS if facet(name).heading)

_POLARS_TYPES: dict[type, pl.DataType] = {
    str: pl.String(), int: pl.Int64(), float: pl.Float64(), bool: pl.Boolean(), date: pl.Date(),
}  # fmt: skip


def polars_type(annotation: Any) -> pl.DataType:
    """Return the polars type of a field's annotation.

    Raises:
        TypeError: the annotation is of a kind that no field of a Trial has.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        return polars_type(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(annotation) if arg is not type(None))
        return polars_type(inner)
    if origin is Literal:
        return polars_type(type(get_args(annotation)[0]))
    if origin is list:
        return pl.List(polars_type(get_args(annotation)[0]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pl.Struct(schema_of(annotation))
    if annotation in _POLARS_TYPES:
        return _POLARS_TYPES[annotation]
    raise TypeError(f"no polars type for {annotation!r}")


def schema_of(model: type[BaseModel]) -> dict[str, pl.DataType]:
    """Return the polars schema of a record type, column by column in order."""
    return {name: polars_type(info.annotation) for name, info in model.model_fields.items()}


TRIAL_SCHEMA: dict[str, pl.DataType] = schema_of(Trial)
REGISTRATION_SCHEMA: dict[str, pl.DataType] = {name: TRIAL_SCHEMA[name] for name in REGISTRATION_FIELDS}


def literal_values(name: str) -> tuple[str, ...]:
    """Return the values that a field of closed vocabulary may have; none of another field."""
    kinds = [Trial.model_fields[name].annotation]
    while kinds:
        kind = kinds.pop()
        if get_origin(kind) is Literal:
            return get_args(kind)
        kinds += get_args(kind) if get_origin(kind) in (Union, types.UnionType, Annotated) else ()
    return ()


def trials_to_frame(trials: list[Trial]) -> pl.DataFrame:
    """Return trials as a table with TRIAL_SCHEMA."""
    return pl.DataFrame([trial.model_dump() for trial in trials], schema=TRIAL_SCHEMA)


def frame_to_trials(frame: pl.DataFrame) -> list[Trial]:
    """Return the rows of a table as trials; columns that no Trial has are left out."""
    columns = [name for name in frame.columns if name in Trial.model_fields]
    return [Trial.model_validate(row) for row in frame.select(columns).iter_rows(named=True)]
