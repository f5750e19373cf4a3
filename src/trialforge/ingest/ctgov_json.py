"""One study of the registry's API v2 -> a RawTrial."""

from __future__ import annotations

import codecs
from typing import Any, TypeVar

import orjson

from trialforge.ingest.raw import (
    RawAnalysis,
    RawArm,
    RawEndpoint,
    RawIntervention,
    RawTrial,
    RecordError,
    link_arms,
)

T = TypeVar("T")
# Field of the trial <- section, module and key of the study.
_VALUES: dict[str, str] = {
    "nct_id": "protocolSection.identificationModule.nctId",
    "title": "protocolSection.identificationModule.briefTitle",
    "official_title": "protocolSection.identificationModule.officialTitle",
    "status": "protocolSection.statusModule.overallStatus",
    "why_stopped": "protocolSection.statusModule.whyStopped",
    "start_date": "protocolSection.statusModule.startDateStruct.date",
    "primary_completion_date": "protocolSection.statusModule.primaryCompletionDateStruct.date",
    "completion_date": "protocolSection.statusModule.completionDateStruct.date",
    "first_submitted": "protocolSection.statusModule.studyFirstSubmitDate",
    "last_updated": "protocolSection.statusModule.lastUpdateSubmitDate",
    "sponsor_class": "protocolSection.sponsorCollaboratorsModule.leadSponsor.class",
    "summary": "protocolSection.descriptionModule.briefSummary",
    "detailed_description": "protocolSection.descriptionModule.detailedDescription",
    "study_type": "protocolSection.designModule.studyType",
    "allocation": "protocolSection.designModule.designInfo.allocation",
    "intervention_model": "protocolSection.designModule.designInfo.interventionModel",
    "primary_purpose": "protocolSection.designModule.designInfo.primaryPurpose",
    "masking": "protocolSection.designModule.designInfo.maskingInfo.masking",
    "enrolment": "protocolSection.designModule.enrollmentInfo.count",
    "enrolment_type": "protocolSection.designModule.enrollmentInfo.type",
    "criteria": "protocolSection.eligibilityModule.eligibilityCriteria",
    "healthy_volunteers": "protocolSection.eligibilityModule.healthyVolunteers",
    "sex": "protocolSection.eligibilityModule.sex",
    "minimum_age": "protocolSection.eligibilityModule.minimumAge",
    "maximum_age": "protocolSection.eligibilityModule.maximumAge",
}
_PATHS = {field: path.split(".") for field, path in _VALUES.items()}


# What orjson says of a text, and the reason under which it is counted.
_JSON_FAULTS = {"utf-8": "wrong_encoding", "surrogate": "lone_surrogate", "depth limit": "nesting"}


def parse_study(study: Any) -> RawTrial:
    """Return what a study says.

    Raises:
        RecordError: it is no study, or a part of it has another type than in the API's definition.
    """
    if not isinstance(study, dict) or "protocolSection" not in study:
        raise _describe(study)
    raw = RawTrial({field: _text(study, *path) for field, path in _PATHS.items()})
    protocol = _object(study, "protocolSection")
    derived = _object(study, "derivedSection")
    raw.values["phase"] = _phases(_object(protocol, "designModule")) or None
    has_results = study.get("hasResults") is True or "resultsSection" in study
    raw.values["has_results"] = "yes" if has_results else "no"
    raw.conditions = _texts(_object(protocol, "conditionsModule"), "conditions")
    raw.keywords = _texts(_object(protocol, "conditionsModule"), "keywords")
    raw.condition_mesh = _terms(_object(derived, "conditionBrowseModule"))
    raw.intervention_mesh = _terms(_object(derived, "interventionBrowseModule"))
    sites = _objects(_object(protocol, "contactsLocationsModule"), "locations")
    raw.countries = [country for site in sites if (country := _text(site, "country"))]
    _read_arms(_object(protocol, "armsInterventionsModule"), raw)
    outcomes = _object(protocol, "outcomesModule")
    raw.primary_outcomes = [_endpoint(one) for one in _objects(outcomes, "primaryOutcomes")]
    raw.secondary_outcomes = [_endpoint(one) for one in _objects(outcomes, "secondaryOutcomes")]
    raw.primary_analyses = _analyses(_object(_object(study, "resultsSection"), "outcomeMeasuresModule"))
    link_arms(raw)
    return raw


def load_json(data: bytes) -> Any:
    """Return the value of a UTF-8 JSON text.

    Raises:
        RecordError: it is malformed: NaN, half a surrogate pair and bottomless nesting are no JSON either.
    """
    try:
        return orjson.loads(data.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        at = error.doc[error.pos :]
        if at.startswith(("NaN", "Infinity", "-Infinity")):
            raise RecordError(
                "not_a_number", f"{at.split(',')[0][:9]} is not a JSON value; write null"
            ) from error
        for word, reason in _JSON_FAULTS.items():
            if word in str(error).lower():
                raise RecordError(reason, str(error)) from error
        raise RecordError("malformed_json", str(error)) from error


def study_id(study: Any) -> str:
    """Return the id of a study that may be broken; empty where it has none."""
    try:
        return _text(study, *_PATHS["nct_id"]) or ""
    except (RecordError, AttributeError):
        return ""


def _describe(value: Any) -> RecordError:
    """Return what a JSON value is that is no study."""
    keys = ", ".join(list(value)[:6]) if isinstance(value, dict) else type(value).__name__
    if "FullStudiesResponse" in keys or "StudyFieldsResponse" in keys:
        return RecordError(
            "old_api", "an answer of the registry's API v1, which ended in 2024: fetch the same ids anew"
        )
    if isinstance(value, dict) and {"ctNumber", "ctStatus", "isrctn", "eudraCTNumber"} & set(value):
        return RecordError("other_registry", f"a record of another registry, with {keys}")
    return RecordError("not_a_trial", f"JSON without a protocolSection: {keys}")


def _read_arms(module: dict[str, Any], raw: RawTrial) -> None:
    raw.interventions = [
        RawIntervention(
            _text(one, "type"), _text(one, "name"), _text(one, "description"), _texts(one, "otherNames"),
            _texts(one, "armGroupLabels"),
        )
        for one in _objects(module, "interventions")
    ]  # fmt: skip
    # `interventionNames` are written `Drug: aspirin`.
    raw.arms = [
        RawArm(
            _text(one, "label"), _text(one, "type"), _text(one, "description"),
            [name.partition(": ")[2] or name for name in _texts(one, "interventionNames")],
        )
        for one in _objects(module, "armGroups")
    ]  # fmt: skip


def _phases(module: dict[str, Any]) -> str:
    """Return the phases as one text; some tools write the list as a string."""
    found = module.get("phases")
    return found if isinstance(found, str) else "/".join(_texts(module, "phases"))


def _endpoint(one: dict[str, Any]) -> RawEndpoint:
    return RawEndpoint(_text(one, "measure"), _text(one, "timeFrame"), _text(one, "description"))


def _analyses(module: dict[str, Any]) -> list[RawAnalysis]:
    return [
        RawAnalysis(
            _text(found, "pValue"), _text(found, "statisticalMethod"), _text(found, "nonInferiorityType")
        )
        for outcome in _objects(module, "outcomeMeasures")
        if _text(outcome, "type") == "PRIMARY"
        for found in _objects(outcome, "analyses")
    ]


def _terms(module: dict[str, Any]) -> list[str]:
    return [term for mesh in _objects(module, "meshes") if (term := _text(mesh, "term"))]


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _wrong_type(key, found, "an object")
    return found


def _objects(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return _items(value, key, dict, "a list of objects")


def _texts(value: dict[str, Any], key: str) -> list[str]:
    return _items(value, key, str, "a list of strings")


def _items(value: dict[str, Any], key: str, kind: type[T], allowed: str) -> list[T]:
    found = value.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise _wrong_type(key, found, "a list")
    for item in found:
        if item is not None and not isinstance(item, kind):
            raise _wrong_type(key, item, allowed)
    return [item for item in found if item is not None]


def _text(value: dict[str, Any], *path: str) -> str | None:
    """Return the text at a path; a number as its digits, a truth value as yes or no."""
    for key in path[:-1]:
        value = _object(value, key)
    found = value.get(path[-1])
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, int | float):
        return str(found)
    if found is not None and not isinstance(found, str):
        raise _wrong_type(path[-1], found, "a string")
    return found


def _wrong_type(key: str, found: Any, allowed: str) -> RecordError:
    return RecordError("wrong_type", f"`{key}` holds {type(found).__name__}, not {allowed}")
