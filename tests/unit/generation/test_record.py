from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from jsonschema import Draft202012Validator

from trialforge.generation.asking import Fault, parse_answer
from trialforge.generation.record import draft_to_record, tidy
from trialforge.generation.schema import DEFAULT_FIELDS, draft_schema
from trialforge.generation.view import shorten, view_trial
from trialforge.trial.criteria_lists import join_criteria
from trialforge.trial.record import REGISTRATION_SCHEMA, Trial

from .records import make_draft, make_trial


def record(draft: dict[str, Any]) -> dict[str, Any]:
    return draft_to_record(
        draft,
        intervention="levodopa",
        intervention_type="Drug",
        conditions=["Parkinson Disease"],
        phase="Phase 2",
    )


def test_an_exemplar_has_the_shape_of_a_draft() -> None:
    assert Draft202012Validator(draft_schema()).is_valid(view_trial(make_trial(), DEFAULT_FIELDS))


def test_an_exemplar_is_cut_at_sentences_and_items_or_with_a_mark() -> None:
    assert shorten("Short. " * 60, "summary").endswith("Short.")
    assert shorten("word " * 100, "title").endswith(" …")
    long = "- " + "word " * 60
    view = view_trial(make_trial(criteria=f"Inclusion Criteria:\n\n{long}\n- Adults"), DEFAULT_FIELDS)
    assert view["inclusion"] == ["Adults"]


def test_a_summary_is_cut_to_its_purpose_and_what_is_not_known_is_left_out() -> None:
    trial = make_trial(
        summary="RATIONALE: Drugs used in chemotherapy work.\n\nPURPOSE: Phase I trial of gemcitabine.",
        allocation=None, intervention_model=None, masking=None, arms=[],
    )  # fmt: skip
    view = view_trial(trial, DEFAULT_FIELDS)
    assert view["summary"] == "Phase I trial of gemcitabine."
    assert "design" not in view


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "not_json"), ("[]", "not_schema"), ("{}", "not_schema"), ('{"title": "x"}', "not_schema")],
)
def test_what_an_engine_lets_through_is_checked_again(text: str, reason: str) -> None:
    with pytest.raises(Fault, match=reason):
        parse_answer(text, draft_schema())


def test_a_record_has_the_registration_view_and_what_the_plan_decides() -> None:
    made = record(make_draft())
    frame = pl.DataFrame([made], schema=REGISTRATION_SCHEMA)
    Trial.model_validate(frame.row(0, named=True) | {"nct_id": "SYN-1"})
    assert made["phase"] == "Phase 2"
    assert made["conditions"] == ["Parkinson Disease"]
    assert [item["name"] for item in made["interventions"]] == ["levodopa", "Placebo"]
    assert made["criteria"].startswith("Inclusion Criteria:\n- Diagnosis of Parkinson Disease\n- Two")
    assert "\nExclusion Criteria:\n- Chronic" in made["criteria"]
    assert made["arms"][0]["interventions"] == ["levodopa"]


def test_an_item_that_is_said_twice_stands_once_and_one_of_both_lists_in_none() -> None:
    draft = make_draft(
        inclusion=["Adults here", "adults here.", "Can read", "Can walk"],
        exclusion=["Can read", "Smokes now", "Is ill now"],
    )
    made = record(draft)
    assert made["criteria"] == join_criteria(["adults here.", "Can walk"], ["Smokes now", "Is ill now"])


def test_the_mark_of_a_cut_exemplar_is_no_part_of_a_record() -> None:
    assert tidy("Levodopa in adults who …", "title") == "Levodopa in adults who"


def test_a_text_that_ran_into_its_bound_ends_at_a_whole_word() -> None:
    title = "Levodopa " * 30
    assert tidy(title[:200], "title").endswith("Levodopa")
    assert tidy("Levodopa in adults", "title") == "Levodopa in adults"


def test_nothing_that_the_model_did_not_write_is_made_up() -> None:
    made = record({"title": "Levodopa Inhaled"})
    assert made["summary"] is None
    assert made["arms"] == []
    assert json.dumps(made["primary_outcomes"]) == "[]"
