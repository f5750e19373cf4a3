"""A trial as a registry page shows it: texts, facts, tables and lists under headings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trialforge.trial.criteria_lists import split_criteria
from trialforge.trial.record import Row

SYNTHETIC_STATUS = "Synthetic record, not a registered trial"
Content = str | list[str] | list[list[str]]


class Kind(StrEnum):
    """What stands under a heading."""

    TEXT = "text"  # a string
    ITEMS = "items"  # a list of strings
    FACTS = "facts"  # pairs of a name and a value
    TABLE = "table"  # rows; the last column is a description


@dataclass(frozen=True, slots=True)
class Layout:
    """How one heading is laid out.

    Attributes:
        kind: of its content.
        columns: of a table; of facts, all the names that there may be.
        free: the columns of a table that hold free text, in which copies are looked for.
    """

    kind: Kind
    columns: tuple[str, ...] = ()
    free: tuple[int, ...] = ()


_OVERVIEW = {"Phase": "phase", "Study type": "study_type", "Conditions": "conditions"}
_DESIGN = {
    "Allocation": "allocation", "Intervention model": "intervention_model", "Masking": "masking",
    "Primary purpose": "primary_purpose", "Planned enrolment": "enrolment_planned",
    "Minimum age": "minimum_age", "Maximum age": "maximum_age", "Sex": "sex",
    "Healthy volunteers": "healthy_volunteers", "Sponsor class": "sponsor_class",
}  # fmt: skip
_ENDPOINTS = Layout(Kind.TABLE, ("Measure", "Time frame", "Description"), (0, 2))
LAYOUT: dict[str, Layout] = {
    "Title": Layout(Kind.TEXT),
    "Official title": Layout(Kind.TEXT),
    "Overview": Layout(Kind.FACTS, tuple(_OVERVIEW)),
    "Design": Layout(Kind.FACTS, tuple(_DESIGN)),
    "Interventions": Layout(Kind.TABLE, ("Type", "Name", "Other names", "Description"), (3,)),
    "Arms": Layout(Kind.TABLE, ("Type", "Label", "Interventions", "Description"), (1, 3)),
    "Primary outcomes": _ENDPOINTS,
    "Secondary outcomes": _ENDPOINTS,
    "Summary": Layout(Kind.TEXT),
    "Detailed description": Layout(Kind.TEXT),
    "Inclusion criteria": Layout(Kind.ITEMS),
    "Exclusion criteria": Layout(Kind.ITEMS),
    "Eligibility criteria": Layout(Kind.TEXT),
    "Keywords": Layout(Kind.ITEMS),
}
_TABLES = {
    "Interventions": ("interventions", ("type", "name", "other_names", "description")),
    "Arms": ("arms", ("type", "label", "interventions", "description")),
    "Primary outcomes": ("primary_outcomes", ("measure", "time_frame", "description")),
    "Secondary outcomes": ("secondary_outcomes", ("measure", "time_frame", "description")),
}


def registry_page(trial: Row) -> dict[str, Content]:
    """Return the content of each heading of LAYOUT that the trial fills, in that order.

    Args:
        trial: values of registration fields; those that are absent count as not given.
    """
    found = dict(_sections(trial))
    return {heading: found[heading] for heading in LAYOUT if found.get(heading)}


def _sections(trial: Row) -> Iterator[tuple[str, Content]]:
    for heading, name in (
        ("Title", "title"), ("Official title", "official_title"), ("Summary", "summary"),
        ("Detailed description", "detailed_description"),
    ):  # fmt: skip
        yield heading, _shown(name, trial.get(name))
    yield "Overview", _facts(trial, _OVERVIEW)
    yield "Design", _facts(trial, _DESIGN)
    for heading, (name, parts) in _TABLES.items():
        yield heading, [[_shown(part, item.get(part)) for part in parts] for item in trial.get(name) or []]
    text = trial.get("criteria")
    inclusion, exclusion = split_criteria(text)
    yield "Inclusion criteria", inclusion
    yield "Exclusion criteria", exclusion
    yield "Eligibility criteria", "" if inclusion or exclusion else _shown("criteria", text)
    yield "Keywords", list(trial.get("keywords") or [])


def _facts(trial: Row, names: Mapping[str, str]) -> list[list[str]]:
    facts = [[heading, _shown(name, trial.get(name))] for heading, name in names.items()]
    return [fact for fact in facts if fact[1]]


def _shown(name: str, value: Any) -> str:
    """A value as a reader sees it; empty where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(value)
    if name in ("minimum_age", "maximum_age"):
        return f"{round(value, 2):g} years"
    if name == "masking" and value == "None":
        return "None (open label)"
    return str(value)
