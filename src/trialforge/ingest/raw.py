"""A record as its file says it: plain strings, the same for every shape of record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from trialforge.trial.record import SYNTHETIC_PREFIX
from trialforge.trial.registry_ids import NCT_ID


class RecordError(Exception):
    """One record can't be used; it becomes a row of the refused table.

    Args:
        reason: the code under which it is counted, as `malformed-xml`.
        detail: what was found.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class RawIntervention(NamedTuple):
    """An intervention; `arm_labels` names the arms that get it."""

    type: str | None
    name: str | None
    description: str | None
    other_names: list[str]
    arm_labels: list[str]


class RawArm(NamedTuple):
    """An arm; `interventions` are names that the record itself lists for it."""

    label: str | None
    type: str | None
    description: str | None
    interventions: list[str]


class RawEndpoint(NamedTuple):
    """A primary or secondary outcome."""

    measure: str | None
    time_frame: str | None
    description: str | None


class RawAnalysis(NamedTuple):
    """A posted analysis of a primary outcome."""

    p_value: str | None
    method: str | None
    hypothesis: str | None


@dataclass(slots=True)
class RawTrial:
    """All that is read of one record. `values` holds the fields that are one string each."""

    values: dict[str, str | None] = field(default_factory=dict)
    conditions: list[str] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    condition_mesh: list[str] = field(default_factory=list)
    intervention_mesh: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)
    interventions: list[RawIntervention] = field(default_factory=list)
    arms: list[RawArm] = field(default_factory=list)
    primary_outcomes: list[RawEndpoint] = field(default_factory=list)
    secondary_outcomes: list[RawEndpoint] = field(default_factory=list)
    primary_analyses: list[RawAnalysis] = field(default_factory=list)


# The keys of `RawTrial.values`.
VALUES: tuple[str, ...] = (
    "nct_id", "title", "official_title", "phase", "study_type", "summary", "allocation",
    "intervention_model", "masking", "primary_purpose", "criteria", "minimum_age", "maximum_age", "sex",
    "healthy_volunteers", "enrolment", "enrolment_type", "detailed_description", "sponsor_class",
    "first_submitted", "start_date", "primary_completion_date", "completion_date", "last_updated",
    "status", "why_stopped", "has_results",
)  # fmt: skip

MAX_DEPTH = 200  # of elements, or of objects and lists
MAX_FIELD = 1_000_000  # characters; the registry's own limit for its longest field is 32,000
# A synthetic trial that an export wrote is read as one; the ingest stage refuses it.
_ID = re.compile(rf"{NCT_ID}|{SYNTHETIC_PREFIX}[0-9a-f]{{12}}")


def check_record(raw: RawTrial, size: int) -> None:
    """Refuse a record without a registry id, or with a field that no registry record could have.

    Args:
        raw: the record.
        size: bytes of the record; in a small one no field can be too long.

    Raises:
        RecordError: `missing-id`, `bad-id` or `huge-field`.
    """
    nct_id = (raw.values.get("nct_id") or "").strip()
    if not nct_id:
        raise RecordError("missing-id", "no nct_id")
    if not _ID.fullmatch(nct_id):
        raise RecordError("bad-id", f"{nct_id[:40]!r} is no registry id (NCT and eight digits)")
    if size > MAX_FIELD:
        for name in raw.__slots__:
            longest = max(map(len, _strings(getattr(raw, name))), default=0)
            if longest > MAX_FIELD:
                raise RecordError("huge-field", f"a text of {longest} characters in {name}")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def link_arms(raw: RawTrial) -> None:
    """Give each arm the names of the interventions that list it, or else those it lists itself."""
    raw.arms = [
        arm._replace(
            interventions=[one.name for one in raw.interventions if one.name and arm.label in one.arm_labels]
            or arm.interventions
        )
        for arm in raw.arms
    ]
