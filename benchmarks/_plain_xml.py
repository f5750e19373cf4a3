"""The baseline of ingest: the loop that one would write, over zipfile, xml.etree and pydantic, on one core.

It reads every field that ingest reads into the same typed `Trial`, and cleans texts by the same rules, so
that its table equals that of ingest (the benchmark compares them). `scrubbed` also removes people, by the
same patterns, with the module `regex` over each free text. It leaves out what makes a hostile or broken
record a row of the refused table: it stops at the first one.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import regex

from trialforge.trial.free_text import NESTED_TEXTS, TEXTS
from trialforge.trial.people import PERSON_RULES
from trialforge.trial.record import Analysis, Arm, Endpoint, Intervention, Trial

_YEARS = {"Year": 1, "Month": 12, "Week": 365.25 / 7, "Day": 365.25, "Hour": 8766, "Minute": 525960}
_BULLET = re.compile(r"(?m)^[ \t]*[-*•·‣]\s+")
_EMPTY_LINE = re.compile(r"\s*\n\s*\n\s*")
_PEOPLE = [(regex.compile(rule.pattern), rule.instead) for rule in PERSON_RULES.values()]


def _line(text: str | None) -> str | None:
    return " ".join(_BULLET.sub("- ", text.strip()).split()) or None if text else None


def _block(text: str | None) -> str | None:
    if not text:
        return None
    paragraphs = (" ".join(part.split()) for part in _EMPTY_LINE.split(text.strip()))
    return _BULLET.sub("- ", "\n".join(paragraphs)).strip() or None


def _day(text: str | None) -> date | None:
    if not text:
        return None
    return datetime.strptime(text, "%B %d, %Y" if "," in text else "%B %Y").date()


def _age(text: str | None) -> float | None:
    if text in (None, "N/A"):
        return None
    number, unit = text.split()
    return int(number) / _YEARS[unit.rstrip("s")]


def _endpoints(root: ET.Element, tag: str) -> list[Endpoint]:
    return [
        Endpoint(
            measure=_line(item.findtext("measure")) or "",
            time_frame=_line(item.findtext("time_frame")),
            description=_line(item.findtext("description")),
        )
        for item in root.findall(tag)
    ]


def _lines(root: ET.Element, path: str) -> list[str]:
    return [_line(item.text) or "" for item in root.findall(path)]


def _arms(root: ET.Element) -> list[Arm]:
    arms = []
    for item in root.findall("arm_group"):
        label = item.findtext("arm_group_label") or ""
        given = [
            _line(one.findtext("intervention_name")) or ""
            for one in root.findall("intervention")
            if label in [each.text for each in one.findall("arm_group_label")]
        ]
        kind: Any = item.findtext("arm_group_type")
        arms.append(
            Arm(label=label, type=kind, description=_line(item.findtext("description")), interventions=given)
        )
    return arms


def _interventions(root: ET.Element) -> list[Intervention]:
    return [
        Intervention.model_validate(
            {
                "type": item.findtext("intervention_type"),
                "name": _line(item.findtext("intervention_name")),
                "description": _line(item.findtext("description")),
                "other_names": _lines(item, "other_name"),
            }
        )
        for item in root.findall("intervention")
    ]


def _analyses(root: ET.Element) -> list[Analysis]:
    return [
        Analysis(
            p_value=item.findtext("p_value"),
            method=item.findtext("method"),
            hypothesis=(item.findtext("non_inferiority_type") or "").replace(" (legacy)", ""),
        )
        for outcome in root.findall("clinical_results/outcome_list/outcome")
        if outcome.findtext("type") == "Primary"
        for item in outcome.findall("analysis_list/analysis")
    ]


def _read(data: bytes) -> Trial:
    root = ET.fromstring(data)
    get = root.findtext
    count = int(get("enrollment", "")) if get("enrollment") else None
    actual = root.find("enrollment[@type='Actual']") is not None
    sponsor = get("sponsors/lead_sponsor/agency_class")
    return Trial.model_validate({
        "nct_id": get("id_info/nct_id"), "source": "ctgov-xml", "title": _line(get("brief_title")),
        "official_title": _line(get("official_title")), "phase": get("phase"),
        "study_type": get("study_type"),
        "conditions": _lines(root, "condition"), "interventions": _interventions(root), "arms": _arms(root),
        "summary": _block(get("brief_summary/textblock")),
        "detailed_description": _block(get("detailed_description/textblock")),
        "criteria": _block(get("eligibility/criteria/textblock")),
        "allocation": get("study_design_info/allocation"),
        "intervention_model": (get("study_design_info/intervention_model") or "").split(" Assign")[0] or None,
        "masking": (get("study_design_info/masking") or "").split(" (")[0] or None,
        "primary_purpose": get("study_design_info/primary_purpose"),
        "primary_outcomes": _endpoints(root, "primary_outcome"),
        "secondary_outcomes": _endpoints(root, "secondary_outcome"),
        "minimum_age": _age(get("eligibility/minimum_age")),
        "maximum_age": _age(get("eligibility/maximum_age")),
        "sex": get("eligibility/gender"),
        "healthy_volunteers": {"No": False, None: None}.get(get("eligibility/healthy_volunteers"), True),
        "enrolment_planned": None if actual else count, "enrolment_actual": count if actual else None,
        "keywords": _lines(root, "keyword"), "condition_mesh": _lines(root, "condition_browse/mesh_term"),
        "intervention_mesh": _lines(root, "intervention_browse/mesh_term"),
        "sponsor_class": {"U.S. Fed": "Federal"}.get(str(sponsor), sponsor),
        "first_submitted": _day(get("study_first_submitted")), "start_date": _day(get("start_date")),
        "primary_completion_date": _day(get("primary_completion_date")),
        "completion_date": _day(get("completion_date")), "last_updated": _day(get("last_update_submitted")),
        "countries": sorted(_lines(root, "location_countries/country")), "status": get("overall_status"),
        "why_stopped": _line(get("why_stopped")), "has_results": root.find("clinical_results") is not None,
        "primary_analyses": _analyses(root),
    })  # fmt: skip


def read_plainly(path: Path) -> list[Trial]:
    """Return the trials of a zip of legacy XML, one after another."""
    with zipfile.ZipFile(path) as file:
        return [_read(file.read(name)) for name in file.namelist()]


def scrubbed(trial: Trial) -> Trial:
    """Return a trial without the people named in its free text."""
    changed: dict[str, Any] = {name: _scrub(getattr(trial, name)) for name in (*TEXTS, "why_stopped")}
    for name, parts in NESTED_TEXTS.items():
        changed[name] = [
            item.model_copy(update={part: _scrub(getattr(item, part)) for part in parts})
            for item in getattr(trial, name)
        ]
    return trial.model_copy(update=changed)


def _scrub(text: str | None) -> str | None:
    if text:
        for pattern, instead in _PEOPLE:
            text = pattern.sub(instead, text)
    return text
