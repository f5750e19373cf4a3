"""Drafts with a fault are refused with its reason before they become records; good ones become records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trialforge.generation.asking import Fault
from trialforge.generation.drafts import ask_draft
from trialforge.generation.params import GenerationParams

from .records import TARGET, make_checks, make_draft, make_trial

EXEMPLAR = make_trial(official_title="Protocol EORTC-22922: Levodopa as COVID-19 Spreads")
QUESTION = ask_draft(TARGET, [], {"SIM1": EXEMPLAR}, GenerationParams(), 4096, make_checks(EXEMPLAR))
GIVEN = {"intervention": "levodopa", "condition": "Parkinson Disease", "phase": "Phase 2"}


def accept(**changes: Any) -> dict[str, Any]:
    return QUESTION.accept(json.dumps(GIVEN | make_draft(**changes)))


def with_arms(*labels: str) -> dict[str, Any]:
    arms = [{"label": label, "type": "Experimental"} for label in labels]
    return make_draft()["design"] | {"arms": arms}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {
                "title": "Carbidopa alone in Parkinson Disease",
                "summary": "Carbidopa is compared with nothing at all.",
                "design": with_arms("Carbidopa", "Nothing"),
            },
            "unnamed_intervention",
        ),
        (
            {
                "title": "Levodopa for Restless Legs",
                "summary": "The study asks whether levodopa calms restless legs at night.",
                "inclusion": ["Restless legs for a year", "Adults who can consent"],
            },
            "unnamed_condition",
        ),
        ({"title": "A Phase III Trial of Levodopa in Parkinson Disease"}, "misnamed_phase"),
        ({"summary": "A study of levodopa failed to help people with Parkinson disease."}, "tells_outcome"),
        (
            {"summary": "The trial of levodopa was stopped early because of slow accrual."},
            "tells_outcome",
        ),
        ({"title": "SLOW release levodopa against wearing-off."}, "copied_title"),
        ({"inclusion": ["Adults here", "adults here."]}, "repeated_criteria"),
        (
            {"inclusion": ["Adults here", "Dementia now"], "exclusion": ["Dementia now", "Any cancer"]},
            "repeated_criteria",
        ),
        ({"title": "Levodopa in Parkinson Disease (Protocol EORTC-22922)"}, "copied_code"),
        ({"summary": EXEMPLAR["summary"].upper()}, "copied_summary"),
        ({"title": "{{Levodopa}} in Parkinson Disease"}, "markup"),
        ({"summary": "Levodopa as in NCT01234567 is studied in adults with off periods."}, "registry_id"),
        ({"summary": "Levodopa 化疗 is studied in adults who have Parkinson disease."}, "other_script"),
        ({"design": with_arms("Levodopa", "levodopa.")}, "repeated_arms"),
        (
            {"primary_outcomes": [{"measure": "Hours of off time", "time_frame": "Blue"}]},
            "unreadable_time_frame",
        ),
        (
            {"primary_outcomes": [{"measure": "Hours of off time", "time_frame": "900 years"}]},
            "impossible_time_frame",
        ),
        (
            {"exclusion": ["mujeres embarazadas o en la lactancia", "alergia a los productos del estudio"]},
            "not_english",
        ),
        ({"summary": "Levodopa is given to all of the adults daily. " * 6}, "repetition"),
        ({"summary": "A trial of levodopa in [insert condition], which is TBD."}, "boilerplate"),
        ({"summary": "As an AI language model I describe a levodopa trial here."}, "prompt_echo"),
        ({"summary": "Ask for levodopa by (301) 496-8959 in all of the weeks."}, "telephone"),
        ({"summary": "Dr. Maria Lopez will give levodopa to adults in this trial."}, "person"),
        ({"summary": "Adults are given levodopa at Massachusetts General Hospital."}, "site"),
    ],
)
def test_a_draft_with_a_fault_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Fault, match=f"^{reason}$"):
        accept(**change)


def test_a_good_draft_becomes_a_record() -> None:
    assert accept()["nct_id"].startswith("SYN-")
    assert accept(title="Levodopa in Parkinson Disease During COVID-19")["phase"] == "Phase 2"
    repeated = accept(inclusion=["Parkinson Disease", "parkinson disease.", "Off periods a day"])
    assert repeated["criteria"].count("arkinson") == 1


def test_fields_without_which_no_record_is_valid_can_not_be_left_out() -> None:
    with pytest.raises(ValueError, match="no record is valid without summary, exclusion"):
        GenerationParams(fields=("title", "inclusion"))
