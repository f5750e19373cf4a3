"""One record of the registry's legacy XML -> a RawTrial. The parser trusts nothing: no DTD, no network."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lxml import etree

from trialforge.ingest.raw import (
    RawAnalysis,
    RawArm,
    RawEndpoint,
    RawIntervention,
    RawTrial,
    RecordError,
    link_arms,
)

MAX_DEPTH = 200  # of elements
_TOO_DEEP = etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")")


class _Parsers(threading.local):
    """A parser for each thread: one that is shared would make them wait for each other."""

    def __init__(self) -> None:
        # `huge_tree=False` keeps libxml2's own limits: 256 levels and 10 MB for one text.
        self.own = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True,
            remove_pis=True, remove_blank_text=True, collect_ids=False,
        )  # fmt: skip


_PARSERS = _Parsers()


def parse_xml(data: bytes) -> RawTrial:
    """Return what a `clinical_study` document says.

    Raises:
        RecordError: it is malformed, has a DOCTYPE, nests too deep or is no study.
    """
    root = _parse(data)
    raw = RawTrial({"has_results": "no"})
    for element in root.iterchildren(*_READERS):
        _READERS[element.tag](element, raw)
    if (analyses := root.find("clinical_results/outcome_list")) is not None:
        raw.primary_analyses = [found for outcome in analyses for found in _analyses(outcome)]
    link_arms(raw)
    return raw


def _parse(data: bytes) -> etree._Element:
    if b"<!DOCTYPE" in data:
        raise RecordError("doctype", "a DOCTYPE, which no registry record has")
    try:
        root = etree.fromstring(data, _PARSERS.own)
    except etree.XMLSyntaxError as error:
        message = str(error)
        if "depth" in message:
            raise RecordError("nesting", message) from error
        if "huge" in message.lower():
            raise RecordError("huge_field", message) from error
        raise RecordError("malformed_xml", message) from error
    except ValueError as error:
        raise RecordError("malformed_xml", str(error)) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise RecordError("doctype", "a DOCTYPE, which no registry record has")
    if _TOO_DEEP(root):
        raise RecordError("nesting", f"elements nest deeper than {MAX_DEPTH}")
    if root.tag != "clinical_study":
        raise RecordError("not_a_trial", f"the root element is {root.tag!r}, not 'clinical_study'")
    return root


Reader = Callable[[etree._Element, RawTrial], None]  # noqa: SLF001  lxml has no other name for it


def _value(field: str) -> Reader:
    def read(element: etree._Element, raw: RawTrial) -> None:
        raw.values.setdefault(field, element.text)

    return read


def _block(field: str) -> Reader:
    def read(element: etree._Element, raw: RawTrial) -> None:
        raw.values.setdefault(field, element.findtext("textblock"))

    return read


def _children(**fields: str) -> Reader:
    """Read the named children; each keyword is a tag, its value a field."""

    def read(element: etree._Element, raw: RawTrial) -> None:
        for child in element.iterchildren(*fields):
            raw.values.setdefault(fields[child.tag], child.text)

    return read


def _item(field: str) -> Reader:
    def read(element: etree._Element, raw: RawTrial) -> None:
        getattr(raw, field).append(element.text)

    return read


def _items(field: str, tag: str) -> Reader:
    def read(element: etree._Element, raw: RawTrial) -> None:
        getattr(raw, field).extend(child.text for child in element.iterchildren(tag))

    return read


def _sponsors(element: etree._Element, raw: RawTrial) -> None:
    raw.values["sponsor_class"] = element.findtext("lead_sponsor/agency_class")


def _enrolment(element: etree._Element, raw: RawTrial) -> None:
    raw.values["enrolment"] = element.text
    raw.values["enrolment_type"] = element.get("type")


def _eligibility(element: etree._Element, raw: RawTrial) -> None:
    raw.values["criteria"] = element.findtext("criteria/textblock")
    _AGES(element, raw)


_AGES = _children(
    gender="sex",
    minimum_age="minimum_age",
    maximum_age="maximum_age",
    healthy_volunteers="healthy_volunteers",
)


def _intervention(element: etree._Element, raw: RawTrial) -> None:
    one: dict[str, str | None] = {}
    names: list[str] = []
    labels: list[str] = []
    for child in element:
        if child.tag == "other_name":
            names.append(child.text or "")
        elif child.tag == "arm_group_label":
            labels.append(child.text or "")
        else:
            one[child.tag] = child.text
    raw.interventions.append(
        RawIntervention(
            one.get("intervention_type"), one.get("intervention_name"), one.get("description"), names, labels
        )
    )


def _arm(element: etree._Element, raw: RawTrial) -> None:
    one = {child.tag: child.text for child in element}
    raw.arms.append(RawArm(one.get("arm_group_label"), one.get("arm_group_type"), one.get("description"), []))


def _endpoint(field: str) -> Reader:
    def read(element: etree._Element, raw: RawTrial) -> None:
        one = {child.tag: child.text for child in element}
        getattr(raw, field).append(
            RawEndpoint(one.get("measure"), one.get("time_frame"), one.get("description"))
        )

    return read


def _has_results(_: etree._Element, raw: RawTrial) -> None:
    raw.values["has_results"] = "yes"


def _analyses(outcome: etree._Element) -> list[RawAnalysis]:
    if (outcome.findtext("type") or "").strip().lower() != "primary":
        return []
    return [
        RawAnalysis(
            found.findtext("p_value"), found.findtext("method"), found.findtext("non_inferiority_type")
        )
        for found in outcome.iterfind("analysis_list/analysis")
    ]


_READERS: dict[str, Reader] = {
    "id_info": _children(nct_id="nct_id"),
    "brief_title": _value("title"),
    "official_title": _value("official_title"),
    "sponsors": _sponsors,
    "brief_summary": _block("summary"),
    "detailed_description": _block("detailed_description"),
    "overall_status": _value("status"),
    "why_stopped": _value("why_stopped"),
    "start_date": _value("start_date"),
    "completion_date": _value("completion_date"),
    "primary_completion_date": _value("primary_completion_date"),
    "phase": _value("phase"),
    "study_type": _value("study_type"),
    "study_design_info": _children(
        allocation="allocation", intervention_model="intervention_model", primary_purpose="primary_purpose",
        masking="masking",
    ),
    "primary_outcome": _endpoint("primary_outcomes"),
    "secondary_outcome": _endpoint("secondary_outcomes"),
    "enrollment": _enrolment,
    "condition": _item("conditions"),
    "arm_group": _arm,
    "intervention": _intervention,
    "eligibility": _eligibility,
    "location_countries": _items("countries", "country"),
    "study_first_submitted": _value("first_submitted"),
    "last_update_submitted": _value("last_updated"),
    "keyword": _item("keywords"),
    "condition_browse": _items("condition_mesh", "mesh_term"),
    "intervention_browse": _items("intervention_mesh", "mesh_term"),
    "clinical_results": _has_results,
}  # fmt: skip
