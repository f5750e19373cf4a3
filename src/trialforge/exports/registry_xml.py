"""A trial in the registry's legacy XML shape (`clinical_study`), marked as synthetic in its root."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from trialforge.exports.registry_words import age_words
from trialforge.trial.record import Endpoint, Trial

NOTICE = "Synthetic record made by trialforge: it describes no real trial and is not on ClinicalTrials.gov."


def _add(parent: etree._Element, tag: str, text: object) -> None:
    if text is not None:
        etree.SubElement(parent, tag).text = str(text)


def _add_block(parent: etree._Element, tag: str, text: str | None) -> None:
    # In this shape a single line break only wraps a line; an empty line ends a paragraph.
    if text is not None:
        _add(etree.SubElement(parent, tag), "textblock", text.replace("\n", "\n\n"))


def _add_endpoints(root: etree._Element, tag: str, endpoints: Iterable[Endpoint]) -> None:
    for endpoint in endpoints:
        node = etree.SubElement(root, tag)
        _add(node, "measure", endpoint.measure)
        _add(node, "time_frame", endpoint.time_frame)
        _add(node, "description", endpoint.description)


def _add_design(root: etree._Element, trial: Trial) -> None:
    _add(root, "phase", trial.phase)
    _add(root, "study_type", trial.study_type)
    design = etree.SubElement(root, "study_design_info")
    _add(design, "allocation", trial.allocation)
    model = trial.intervention_model and f"{trial.intervention_model} Assignment"
    _add(design, "intervention_model", model)
    _add(design, "primary_purpose", trial.primary_purpose)
    _add(design, "masking", trial.masking)
    _add_endpoints(root, "primary_outcome", trial.primary_outcomes)
    _add_endpoints(root, "secondary_outcome", trial.secondary_outcomes)
    if trial.enrolment_planned is not None:
        etree.SubElement(root, "enrollment", type="Anticipated").text = str(trial.enrolment_planned)


def _add_arms(root: etree._Element, trial: Trial) -> None:
    for arm in trial.arms:
        node = etree.SubElement(root, "arm_group")
        _add(node, "arm_group_label", arm.label)
        _add(node, "arm_group_type", arm.type)
        _add(node, "description", arm.description)
    for intervention in trial.interventions:
        node = etree.SubElement(root, "intervention")
        _add(node, "intervention_type", intervention.type)
        _add(node, "intervention_name", intervention.name)
        _add(node, "description", intervention.description)
        for arm in trial.arms:
            if intervention.name in arm.interventions:
                _add(node, "arm_group_label", arm.label)
        for name in intervention.other_names:
            _add(node, "other_name", name)


def _add_eligibility(root: etree._Element, trial: Trial) -> None:
    node = etree.SubElement(root, "eligibility")
    _add_block(node, "criteria", trial.criteria)
    _add(node, "gender", trial.sex)
    _add(node, "minimum_age", "N/A" if trial.minimum_age is None else age_words(trial.minimum_age))
    _add(node, "maximum_age", "N/A" if trial.maximum_age is None else age_words(trial.maximum_age))
    if trial.healthy_volunteers is not None:
        _add(node, "healthy_volunteers", "Accepts Healthy Volunteers" if trial.healthy_volunteers else "No")


def _add_terms(root: etree._Element, tag: str, terms: list[str]) -> None:
    if terms:
        node = etree.SubElement(root, tag)
        for term in terms:
            _add(node, "mesh_term", term)


def to_xml(trial: Trial, marks: dict[str, str]) -> bytes:
    """Return a trial as one `clinical_study` document; `marks` stand on its root element."""
    root = etree.Element("clinical_study", {"synthetic": "true", **marks})
    header = etree.SubElement(root, "required_header")
    _add(header, "link_text", NOTICE)
    _add(etree.SubElement(root, "id_info"), "nct_id", trial.nct_id)
    _add(root, "brief_title", trial.title)
    _add(root, "official_title", trial.official_title)
    if trial.sponsor_class is not None:
        sponsor = etree.SubElement(etree.SubElement(root, "sponsors"), "lead_sponsor")
        _add(sponsor, "agency_class", trial.sponsor_class)
    _add(root, "source", "synthetic")
    _add_block(root, "brief_summary", trial.summary)
    _add_block(root, "detailed_description", trial.detailed_description)
    _add_design(root, trial)
    for condition in trial.conditions:
        _add(root, "condition", condition)
    _add_arms(root, trial)
    _add_eligibility(root, trial)
    if trial.first_submitted is not None:
        _add(root, "study_first_submitted", trial.first_submitted.isoformat())
    for keyword in trial.keywords:
        _add(root, "keyword", keyword)
    _add_terms(root, "condition_browse", trial.condition_mesh)
    _add_terms(root, "intervention_browse", trial.intervention_mesh)
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True))
