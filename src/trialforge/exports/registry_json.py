"""A trial in the registry's API v2 shape, marked as synthetic beside its sections."""

from __future__ import annotations

from typing import Any

from trialforge.exports.registry_words import age_words, api_phases, api_text, api_word
from trialforge.trial.record import Endpoint, Trial

Module = dict[str, Any]


def _given(**values: Any) -> Module:
    """Return what has a value, without keys for what has none."""
    return {name: value for name, value in values.items() if value not in (None, [], {})}


def _text(text: str | None) -> str | None:
    return None if text is None else api_text(text)


def _word(word: str | None) -> str | None:
    return None if word is None else api_word(word)


def _endpoints(endpoints: list[Endpoint]) -> list[Module]:
    return [
        _given(
            measure=_text(one.measure), timeFrame=_text(one.time_frame), description=_text(one.description)
        )
        for one in endpoints
    ]


def _design(trial: Trial) -> Module:
    planned = trial.enrolment_planned
    return _given(
        studyType=_word(trial.study_type),
        phases=api_phases(trial.phase) if trial.phase else None,
        designInfo=_given(
            allocation=_word(trial.allocation),
            interventionModel=_word(trial.intervention_model),
            primaryPurpose=_word(trial.primary_purpose),
            maskingInfo=_given(masking=_word(trial.masking)),
        ),
        enrollmentInfo=None if planned is None else {"count": planned, "type": "ESTIMATED"},
    )


def _arms(trial: Trial) -> Module:
    kinds = {one.name: one.type for one in trial.interventions}
    groups = [
        _given(
            label=_text(arm.label),
            type=_word(arm.type),
            description=_text(arm.description),
            interventionNames=[
                f"{kinds.get(name) or 'Other'}: {api_text(name)}" for name in arm.interventions
            ],
        )
        for arm in trial.arms
    ]
    interventions = [
        _given(
            type=_word(one.type),
            name=_text(one.name),
            description=_text(one.description),
            armGroupLabels=[api_text(arm.label) for arm in trial.arms if one.name in arm.interventions],
            otherNames=[api_text(name) for name in one.other_names],
        )
        for one in trial.interventions
    ]
    return _given(armGroups=groups, interventions=interventions)


def _eligibility(trial: Trial) -> Module:
    return _given(
        eligibilityCriteria=_text(trial.criteria),
        healthyVolunteers=trial.healthy_volunteers,
        sex=_word(trial.sex),
        minimumAge=None if trial.minimum_age is None else age_words(trial.minimum_age),
        maximumAge=None if trial.maximum_age is None else age_words(trial.maximum_age),
    )


def _terms(terms: list[str]) -> Module:
    return _given(meshes=[{"term": term} for term in terms])


def to_study(trial: Trial, marks: dict[str, Any]) -> Module:
    """Return a trial as one study of API v2; `marks` stand under the key `synthetic`."""
    submitted = trial.first_submitted
    sponsor = _given(**{"class": _word(trial.sponsor_class)})
    protocol = _given(
        identificationModule=_given(
            nctId=trial.nct_id, briefTitle=_text(trial.title), officialTitle=_text(trial.official_title)
        ),
        statusModule=_given(studyFirstSubmitDate=submitted.isoformat() if submitted else None),
        sponsorCollaboratorsModule=_given(leadSponsor=sponsor),
        descriptionModule=_given(
            briefSummary=_text(trial.summary), detailedDescription=_text(trial.detailed_description)
        ),
        conditionsModule=_given(
            conditions=[api_text(name) for name in trial.conditions],
            keywords=[api_text(word) for word in trial.keywords],
        ),
        designModule=_design(trial),
        armsInterventionsModule=_arms(trial),
        outcomesModule=_given(
            primaryOutcomes=_endpoints(trial.primary_outcomes),
            secondaryOutcomes=_endpoints(trial.secondary_outcomes),
        ),
        eligibilityModule=_eligibility(trial),
    )
    derived = _given(
        conditionBrowseModule=_terms(trial.condition_mesh),
        interventionBrowseModule=_terms(trial.intervention_mesh),
    )
    return _given(synthetic=marks, protocolSection=protocol, derivedSection=derived, hasResults=False)
