"""Real records read another way: plain standard library, one field after another, nothing shared.

This is the yardstick for the readers, so it imports nothing of the package.
"""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

_UNIT_YEARS = {
    "Year": 1,
    "Month": 1 / 12,
    "Week": 7 / 365.25,
    "Day": 1 / 365.25,
    "Hour": 1 / 8766,
    "Minute": 1 / 525960,
}


def line(text: str | None) -> str | None:
    """One line; a list item's mark at the start of a line is a hyphen."""
    if text is None:
        return None
    marked = [re.sub(r"^[-*•·‣]\s+", "- ", part.strip()) for part in text.strip().splitlines()]
    return " ".join(" ".join(marked).split()) or None


def wrapped(text: str | None) -> str | None:
    """Paragraphs of wrapped lines; a lone mark belongs to the paragraph after it."""
    if text is None:
        return None
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n[ \t\r]*\n", text.replace("\r", ""))]
    return lines([part for part in paragraphs if part])


def markdown(text: str | None) -> str | None:
    if text is None:
        return None
    found = lines([" ".join(part.split()) for part in text.split("\n") if part.strip()])
    return found and re.sub(r"\\([^\w\s])", r"\1", found)


def markdown_line(text: str | None) -> str | None:
    found = line(text)
    return found and re.sub(r"\\([^\w\s])", r"\1", found)


def lines(paragraphs: list[str]) -> str | None:
    text = "\n".join(paragraphs).strip()
    return "\n".join(re.sub(r"(?m)^[-*•·‣]\s+", "- ", text).split("\n")).strip() or None


def day(text: str | None) -> date | None:
    if not text:
        return None
    for form in ("%B %d, %Y", "%B %Y", "%Y-%m-%d", "%Y-%m"):
        try:
            return datetime.strptime(text.strip(), form).date()
        except ValueError:
            continue
    raise AssertionError(text)


def age(text: str | None) -> float | None:
    if text in (None, "N/A"):
        return None
    number, unit = text.split()
    return int(number) * _UNIT_YEARS[unit.rstrip("s")]


def read_xml(data: bytes) -> dict[str, Any]:
    root = ET.fromstring(data)
    get = root.findtext
    enrolment, kind = get("enrollment"), getattr(root.find("enrollment"), "attrib", {}).get("type")
    number = int(enrolment) if enrolment else None
    masking = get("study_design_info/masking")
    model = get("study_design_info/intervention_model")
    sponsor = get("sponsors/lead_sponsor/agency_class")
    volunteers = get("eligibility/healthy_volunteers")
    interventions = root.findall("intervention")
    return {
        "nct_id": get("id_info/nct_id"),
        "title": line(get("brief_title")),
        "official_title": line(get("official_title")),
        "phase": get("phase"),
        "study_type": get("study_type"),
        "conditions": [line(item.text) for item in root.findall("condition")],
        "interventions": [
            {
                "type": item.findtext("intervention_type"),
                "name": line(item.findtext("intervention_name")),
                "description": line(item.findtext("description")),
                "other_names": [line(name.text) for name in item.findall("other_name")],
            }
            for item in interventions
        ],
        "summary": wrapped(get("brief_summary/textblock")),
        "detailed_description": wrapped(get("detailed_description/textblock")),
        "criteria": wrapped(get("eligibility/criteria/textblock")),
        "allocation": get("study_design_info/allocation"),
        "intervention_model": model and model.replace(" Assignment", ""),
        "masking": masking and masking.split(" (")[0],
        "primary_purpose": get("study_design_info/primary_purpose"),
        "arms": [
            {
                "label": line(arm.findtext("arm_group_label")),
                "type": arm.findtext("arm_group_type"),
                "description": line(arm.findtext("description")),
                "interventions": [
                    line(item.findtext("intervention_name"))
                    for item in interventions
                    if arm.findtext("arm_group_label") in [one.text for one in item.iter("arm_group_label")]
                ],
            }
            for arm in root.findall("arm_group")
        ],
        "primary_outcomes": [endpoint(item) for item in root.findall("primary_outcome")],
        "secondary_outcomes": [endpoint(item) for item in root.findall("secondary_outcome")],
        "minimum_age": age(get("eligibility/minimum_age")),
        "maximum_age": age(get("eligibility/maximum_age")),
        "sex": get("eligibility/gender"),
        "healthy_volunteers": None if volunteers is None else volunteers != "No",
        "enrolment_planned": None if kind == "Actual" else number,
        "enrolment_actual": number if kind == "Actual" else None,
        "keywords": [line(item.text) for item in root.findall("keyword")],
        "condition_mesh": [item.text for item in root.findall("condition_browse/mesh_term")],
        "intervention_mesh": [item.text for item in root.findall("intervention_browse/mesh_term")],
        "sponsor_class": {"U.S. Fed": "Federal"}.get(str(sponsor), sponsor),
        "first_submitted": day(get("study_first_submitted")),
        "countries": sorted(str(item.text) for item in root.findall("location_countries/country")),
        "start_date": day(get("start_date")),
        "primary_completion_date": day(get("primary_completion_date")),
        "completion_date": day(get("completion_date")),
        "last_updated": day(get("last_update_submitted")),
        "status": get("overall_status"),
        "why_stopped": line(get("why_stopped")),
        "has_results": root.find("clinical_results") is not None,
        "primary_analyses": [
            {
                "p_value": line(item.findtext("p_value")),
                "method": line(item.findtext("method")),
                "hypothesis": str(item.findtext("non_inferiority_type")).replace(" (legacy)", ""),
            }
            for outcome in root.findall("clinical_results/outcome_list/outcome")
            if outcome.findtext("type") == "Primary"
            for item in outcome.findall("analysis_list/analysis")
        ],
    }  # fmt: skip


def endpoint(item: ET.Element) -> dict[str, str | None]:
    return {
        "measure": line(item.findtext("measure")),
        "time_frame": line(item.findtext("time_frame")),
        "description": line(item.findtext("description")),
    }


_API_WORDS = {
    "NA": "N/A", "EARLY_PHASE1": "Early Phase 1", "FED": "Federal", "OTHER_GOV": "Other Government",
    "ACTIVE_NOT_RECRUITING": "Active, not recruiting", "UNKNOWN": "Unknown status", "NIH": "NIH",
    "NON_RANDOMIZED": "Non-Randomized", "NOT_YET_RECRUITING": "Not yet recruiting",
    "ENROLLING_BY_INVITATION": "Enrolling by invitation",
}  # fmt: skip


def word(code: str | None) -> str | None:
    """SUPPORTIVE_CARE is Supportive Care; PHASE2 is Phase 2."""
    if code is None:
        return None
    return _API_WORDS.get(code) or re.sub(r"(\d)$", r" \1", code.replace("_", " ").title())


def read_study(study: dict[str, Any]) -> dict[str, Any]:
    protocol = study["protocolSection"]

    def get(path: str, default: Any = None) -> Any:
        value: Any = protocol
        for key in path.split("."):
            value = value.get(key, {} if key != path.split(".")[-1] else default)
        return value

    actual = get("designModule.enrollmentInfo.type") == "ACTUAL"
    number = get("designModule.enrollmentInfo.count")
    phases = get("designModule.phases", [])
    interventions = get("armsInterventionsModule.interventions", [])
    derived = study.get("derivedSection", {})
    outcomes = study.get("resultsSection", {}).get("outcomeMeasuresModule", {}).get("outcomeMeasures", [])
    return {
        "nct_id": get("identificationModule.nctId"),
        "title": markdown_line(get("identificationModule.briefTitle")),
        "official_title": markdown_line(get("identificationModule.officialTitle")),
        "phase": "/".join(str(word(phase)) for phase in phases) or None,
        "study_type": word(get("designModule.studyType")),
        "conditions": [line(item) for item in get("conditionsModule.conditions", [])],
        "interventions": [
            {
                "type": word(item.get("type")),
                "name": markdown_line(item["name"]),
                "description": markdown_line(item.get("description")),
                "other_names": [markdown_line(name) for name in item.get("otherNames", [])],
            }
            for item in interventions
        ],
        "summary": markdown(get("descriptionModule.briefSummary")),
        "detailed_description": markdown(get("descriptionModule.detailedDescription")),
        "criteria": markdown(get("eligibilityModule.eligibilityCriteria")),
        "allocation": word(get("designModule.designInfo.allocation")),
        "intervention_model": word(get("designModule.designInfo.interventionModel")),
        "masking": word(get("designModule.designInfo.maskingInfo.masking")),
        "primary_purpose": word(get("designModule.designInfo.primaryPurpose")),
        "arms": [
            {
                "label": markdown_line(arm["label"]),
                "type": word(arm.get("type")),
                "description": markdown_line(arm.get("description")),
                "interventions": [
                    markdown_line(item["name"])
                    for item in interventions
                    if arm["label"] in item.get("armGroupLabels", [])
                ],
            }
            for arm in get("armsInterventionsModule.armGroups", [])
        ],
        "primary_outcomes": [study_endpoint(item) for item in get("outcomesModule.primaryOutcomes", [])],
        "secondary_outcomes": [study_endpoint(item) for item in get("outcomesModule.secondaryOutcomes", [])],
        "minimum_age": age(get("eligibilityModule.minimumAge")),
        "maximum_age": age(get("eligibilityModule.maximumAge")),
        "sex": word(get("eligibilityModule.sex")),
        "healthy_volunteers": get("eligibilityModule.healthyVolunteers"),
        "enrolment_planned": None if actual else number,
        "enrolment_actual": number if actual else None,
        "keywords": [line(item) for item in get("conditionsModule.keywords", [])],
        "condition_mesh": terms(derived.get("conditionBrowseModule", {})),
        "intervention_mesh": terms(derived.get("interventionBrowseModule", {})),
        "sponsor_class": word(get("sponsorCollaboratorsModule.leadSponsor.class")),
        "first_submitted": day(get("statusModule.studyFirstSubmitDate")),
        "countries": sorted({site["country"] for site in get("contactsLocationsModule.locations", [])}),
        "start_date": day(get("statusModule.startDateStruct.date")),
        "primary_completion_date": day(get("statusModule.primaryCompletionDateStruct.date")),
        "completion_date": day(get("statusModule.completionDateStruct.date")),
        "last_updated": day(get("statusModule.lastUpdateSubmitDate")),
        "status": word(get("statusModule.overallStatus")),
        "why_stopped": markdown_line(get("statusModule.whyStopped")),
        "has_results": "resultsSection" in study,
        "primary_analyses": [
            {
                "p_value": item.get("pValue"),
                "method": item.get("statisticalMethod"),
                "hypothesis": str(word(item.get("nonInferiorityType"))).replace("Non Inf", "Non-Inf"),
            }
            for outcome in outcomes
            if outcome["type"] == "PRIMARY"
            for item in outcome.get("analyses", [])
        ],
    }  # fmt: skip


def terms(module: dict[str, Any]) -> list[str]:
    return [mesh["term"] for mesh in module.get("meshes", [])]


def study_endpoint(item: dict[str, Any]) -> dict[str, str | None]:
    return {
        "measure": markdown_line(item["measure"]),
        "time_frame": markdown_line(item.get("timeFrame")),
        "description": markdown_line(item.get("description")),
    }


Tables = dict[str, dict[str, list[dict[str, str]]]]


def read_aact(path: Path) -> Tables:
    """The rows of AACT's tables, by table and by trial."""
    tables: Tables = {}
    with zipfile.ZipFile(path) as file:
        for name in file.namelist():
            rows = csv.DictReader(io.StringIO(file.read(name).decode(), newline=""), delimiter="|")
            table = tables.setdefault(name.removesuffix(".txt"), {})
            for row in rows:
                table.setdefault(row["nct_id"], []).append(row)
    return tables


def read_aact_trial(nct_id: str, tables: Tables) -> dict[str, Any]:
    """Some fields of a trial, as its rows have them."""
    (study,) = tables["studies"][nct_id]
    (eligibility,) = tables["eligibilities"][nct_id]

    def rows(table: str) -> list[dict[str, str]]:
        return tables[table].get(nct_id, [])

    return {
        "title": line(study["brief_title"]),
        "official_title": line(study["official_title"]),
        "why_stopped": line(study["why_stopped"]),
        "status": study["overall_status"] or None,
        "start_date": day(study["start_date"]),
        "completion_date": day(study["completion_date"]),
        "last_updated": day(study["last_update_posted_date"]),
        "sex": eligibility["gender"] or None,
        "conditions": [line(row["name"]) for row in rows("conditions")],
    }


def words(text: str | None) -> list[str]:
    """The words of a text, without the marks of list items and the `~` that may stand for a line's end."""
    plain = re.sub(r"\\([^\w\s])", r"\1", (text or "").replace("~", " "))
    return [word for word in plain.split() if word not in "-*•·‣"]
