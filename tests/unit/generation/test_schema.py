from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from trialforge.generation.schema import DEFAULT_FIELDS, DRAFT_FIELDS, draft_schema
from trialforge.llm.schemas import check_schema
from trialforge.trial.record import Masking

from .records import make_draft


def is_valid(draft: dict[str, Any]) -> bool:
    return Draft202012Validator(draft_schema()).is_valid(draft)


def test_engines_can_force_every_field() -> None:
    check_schema(draft_schema(DRAFT_FIELDS))


def test_what_the_plan_decides_is_no_part_of_a_draft() -> None:
    assert not {"phase", "conditions", "interventions", "label"} & set(
        draft_schema(DRAFT_FIELDS)["properties"]
    )


def test_a_draft_repeats_what_is_given_and_nothing_else_first() -> None:
    schema = draft_schema(given={"intervention": "levodopa", "condition": "Parkinson Disease"})
    check_schema(schema)
    assert list(schema["properties"])[:3] == ["intervention", "condition", "title"]
    said = make_draft(intervention="levodopa", condition="Parkinson Disease")
    assert Draft202012Validator(schema).is_valid(said)
    assert not Draft202012Validator(schema).is_valid(said | {"condition": "Gastric Cancer"})


def test_allowed_words_are_those_of_the_trial() -> None:
    assert draft_schema(("title", "design"))["properties"]["design"]["anyOf"][1]["properties"]["masking"][
        "enum"
    ] == list(get_args(Masking))


def test_every_text_and_list_is_bounded() -> None:
    def parts(value: Any) -> list[dict[str, Any]]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return [
            *([value] if isinstance(value, dict) else []),
            *(part for each in inner for part in parts(each)),
        ]

    for part in parts(draft_schema(DRAFT_FIELDS)):
        if part.get("type") == "string" and "enum" not in part:
            assert part["maxLength"] <= 1200
        if part.get("type") == "array":
            assert part["maxItems"] <= 6


def test_a_good_draft_is_valid() -> None:
    assert is_valid(make_draft())


@pytest.mark.parametrize(
    "change",
    [
        {"label": 1},
        {"title": "x" * 500},
        {"inclusion": []},
        {"sex": "Any"},
        {"enrolment_planned": 0},
        {"ages": {"minimum_age": 40, "maximum_age": 30}},
        {"design": make_draft()["design"] | {"intervention_model": "Single Group"}},
        {"design": make_draft()["design"] | {"arms": make_draft()["design"]["arms"][:1]}},
    ],
    ids=lambda change: json.dumps(change)[:40],
)
def test_a_draft_that_contradicts_itself_or_its_bounds_is_not(change: dict[str, Any]) -> None:
    assert not is_valid(make_draft(**change))


@pytest.mark.parametrize(
    ("lowest", "highest", "valid"),
    [
        (18, 55, True), (40, 75, True), (0, 1, True), (12, 18, True), (18, 25, True), (65, None, True),
        (None, 75, True), (None, None, True), (40, 30, False), (18, 18, False), (18, 130, False),
    ],
)  # fmt: skip
def test_any_plausible_ages_can_be_said_and_no_lowest_one_above_the_highest(
    lowest: int | None, highest: int | None, valid: bool
) -> None:
    assert is_valid(make_draft(ages={"minimum_age": lowest, "maximum_age": highest})) is valid


def test_default_fields_stand_in_their_order() -> None:
    assert list(draft_schema()["properties"]) == [name for name in DRAFT_FIELDS if name in DEFAULT_FIELDS]
