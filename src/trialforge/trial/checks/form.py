"""Has a record what every trial has, in the registry's words and in possible numbers?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from trialforge.trial.checks.check import Check, Record
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.record import REGISTRATION_FIELDS, SYNTHETIC_PREFIX, literal_values
from trialforge.trial.text import plain_text

MAX_AGE_YEARS = 120.0
_VOCABULARY = {name: values for name in REGISTRATION_FIELDS if (values := literal_values(name))}
FIELDS_COLUMN = "target_fields"  # texts that a record was asked to have; null asks for all of them
_ASKED = ("title", "summary", "criteria")
_REQUIRED = ("conditions", "interventions")
_NO_PLACEBO = re.compile(
    r"(?i)\b(?:standard|usual|supportive|best available|no (?:treatment|intervention))\b"
)
_DOSE = re.compile(
    r"\d[\d.,]*\s?(?:[mµuk]?g|mcg|ml|iu|units?|mci|gy|%)\b|\b(?:dose|cohort|part|panel|sequence)s? ?-?\w+|"
    r"\b(?:low|lower|high|higher|medium|middle|half|full|single|multiple|once|twice|daily|weekly|monthly|"
    r"short|long|early|late|delayed|immediate|continuous|intermittent)\b"
)


def form_checks(params: CheckParams) -> list[Check]:
    """Return the checks of identity, presence, vocabulary, numbers and arms."""

    def is_no_enrolment(record: Record) -> bool:
        planned = record["enrolment_planned"]
        return planned is not None and not 0 < planned <= params.max_enrolment

    return [
        Check("identity", "its id or source is not that of a synthetic record", _is_foreign),
        *(Check(f"no_{name}", f"it has no {name}", partial(_is_missing, name)) for name in _ASKED),
        *(Check(f"no_{name}", f"it has no {name}", partial(_is_blank, name)) for name in _REQUIRED),
        Check("vocabulary", "it has a value outside the registry's vocabulary", _has_unknown_value),
        Check(
            "nameless_intervention", "an intervention has no name", partial(_lacks, "interventions", "name")
        ),
        Check("nameless_endpoint", "an endpoint has no name", partial(_lacks, "primary_outcomes", "measure")),
        Check("impossible_age", "it is for ages that nobody has", _has_impossible_age),
        Check("impossible_enrolment", "its planned enrolment is 0 or too large", is_no_enrolment),
        Check("repeated_arms", "two arms have the same label", _repeats_arms, ("arms",)),
        Check("idle_arm", "an arm gets nothing", _has_idle_arm, ("arms",)),
        Check(
            "misnamed_arm", "an arm is called placebo and gets something else", _has_misnamed_arm, ("arms",)
        ),
        Check("same_arms", "two arms of one type get the same, at the same dose", _has_same_arms, ("arms",)),
    ]


def _is_foreign(record: Record) -> bool:
    return record["source"] != "synthetic" or not (record["nct_id"] or "").startswith(SYNTHETIC_PREFIX)


def _is_blank(name: str, record: Record) -> bool:
    value = record[name] or ""
    return not (value.strip() if isinstance(value, str) else value)


def _is_missing(name: str, record: Record) -> bool:
    asked = record[FIELDS_COLUMN]
    return _is_blank(name, record) and (asked is None or name in asked)


def _lacks(name: str, part: str, record: Record) -> bool:
    return any(_is_blank(part, item) for item in record[name] or [])


def _has_unknown_value(record: Record) -> bool:
    return any(record[name] not in (None, *values) for name, values in _VOCABULARY.items())


def _has_impossible_age(record: Record) -> bool:
    low, high = record["minimum_age"], record["maximum_age"]
    ages = [age for age in (low, high) if age is not None]
    return ages != sorted(ages) or high == 0 or any(not 0 <= age <= MAX_AGE_YEARS for age in ages)


def _repeats_arms(record: Record) -> bool:
    labels = [plain_text(arm["label"]) for arm in record["arms"] or []]
    return len(set(labels)) < len(labels)


def _has_idle_arm(record: Record) -> bool:
    """Arms of which none says what it gets are the registry's older ones."""
    arms = record["arms"] or []
    idle = [arm for arm in arms if not arm["interventions"] and arm["type"] != "No Intervention"]
    return 0 < len(idle) < len(arms)


def is_misnamed(arm: Mapping[str, Any]) -> bool:
    """Tell whether an arm is called placebo and gets none.

    An arm may get a placebo under many names, but under none of these: of 103 registered arms that are called
    placebo none does.
    """
    called = "placebo" in (arm["label"] or "").casefold()
    given = arm["interventions"] or []
    return called and bool(given) and all(_NO_PLACEBO.search(name) for name in given)


def _has_misnamed_arm(record: Record) -> bool:
    return any(map(is_misnamed, record["arms"] or []))


def _has_same_arms(record: Record) -> bool:
    """A label may tell arms apart by a dose or a schedule, and by nothing else."""
    told = [
        (
            arm["type"],
            tuple(sorted(arm["interventions"] or [])),
            plain_text(arm["description"] or ""),
            tuple(_DOSE.findall((arm["label"] or "").casefold())),
        )
        for arm in record["arms"] or []
        if arm["interventions"]
    ]
    return len(set(told)) < len(told)
