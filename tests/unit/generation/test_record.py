"""A record of a skeleton and texts: nothing made up, whole sentences, nothing cut passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from trialforge.generation.asking import Fault, parse_answer
from trialforge.generation.mending import end_texts
from trialforge.generation.parts import part_schema, sentence_words, time_schema
from trialforge.generation.record import build_record, end_sentence, tidy
from trialforge.trial.draft_fields import FIELDS_OF_PART, PARTS, WRITTEN_FIELDS
from trialforge.trial.record import REGISTRATION_SCHEMA

from .records import TARGET, TEXTS, make_target, make_writer, numbered, part_answer, write_draft


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "not_json"), ("[]", "not_schema"), ("{}", "not_schema"), ('{"title": "x"}', "not_schema")],
)
def test_what_an_engine_lets_through_is_checked_again(text: str, reason: str) -> None:
    schema = part_schema("header", TARGET["skeleton"], WRITTEN_FIELDS)
    assert schema is not None
    with pytest.raises(Fault, match=reason):
        parse_answer(text, schema)


@pytest.mark.parametrize("part", PARTS)
def test_an_answer_has_every_text_of_its_part_and_no_other(part: Any) -> None:
    schema = part_schema(part, TARGET["skeleton"], WRITTEN_FIELDS)
    assert schema is not None
    answer = part_answer(part)
    check = Draft202012Validator(schema)
    assert check.is_valid(answer)
    assert not check.is_valid(answer | {"label": 1})
    name, value = next(iter(answer.items()))
    assert not check.is_valid({one: text for one, text in answer.items() if one != name})
    if isinstance(value, dict):
        assert not check.is_valid(answer | {name: value | {"9": value["1"]}})
        assert not check.is_valid(answer | {name: {}})


def test_every_text_is_bounded_by_the_words_of_the_skeleton() -> None:
    schema = part_schema("header", TARGET["skeleton"], WRITTEN_FIELDS)
    assert schema is not None
    for words in ("Levodopa", "Levodopa " * 60):
        assert not Draft202012Validator(schema).is_valid(part_answer("header") | {"title": words})


def test_fields_that_are_not_asked_for_are_in_no_schema_and_stay_empty() -> None:
    fields = ("title", "summary", "inclusion", "exclusion")
    assert part_schema("design", TARGET["skeleton"], fields) is None
    texts = {name: TEXTS[name] for name in fields}
    record = write_draft(make_writer(fields=fields), make_target(exemplars=[]), texts).record
    assert (record["arms"], record["primary_outcomes"]) == ([], [])
    assert record["interventions"][0]["name"] == "Levodopa"


def test_a_record_has_every_field_of_a_registration_and_nothing_else() -> None:
    assert set(build_record(TARGET, TEXTS)) == set(REGISTRATION_SCHEMA)


def test_an_arm_that_gets_no_placebo_is_called_by_what_it_gets() -> None:
    arms = [
        {"type": "Experimental", "interventions": ["Levodopa"], "label": 2, "description": None},
        {"type": "Active Comparator", "interventions": ["Standard of care"], "label": 2, "description": None},
    ]
    target = TARGET | {"skeleton": TARGET["skeleton"] | {"arms": arms}}
    texts = TEXTS | {"arms": numbered({"label": "Levodopa 100 mg"}, {"label": "Placebo 100 mg"})}
    record = build_record(target, texts)
    assert [arm["label"] for arm in record["arms"]] == ["Levodopa 100 mg", "Standard of care"]


def test_nothing_that_the_model_did_not_write_is_made_up() -> None:
    made = build_record(TARGET, {"title": "Levodopa Inhaled"})
    assert made["summary"] is None
    assert made["criteria"] is None
    assert made["arms"] == []
    assert json.dumps(made["primary_outcomes"]) == "[]"
    assert made["keywords"] == []


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ({"number": 8, "unit": "weeks"}, "8 weeks"),
        ({"number": 1, "unit": "years"}, "1 year"),
        ("From baseline to the end", "From baseline to the end"),
    ],
)
def test_a_time_frame_is_a_number_and_a_unit_or_prose(frame: Any, text: str) -> None:
    endpoint = {"measure": "Hours of off time", "time_frame": frame, "description": "By  a\ndiary"}
    texts = TEXTS | {"primary_outcomes": numbered(endpoint)}
    assert build_record(make_target(texts), texts)["primary_outcomes"] == [
        {"measure": "Hours of off time", "time_frame": text, "description": "By a diary"}
    ]


def test_a_short_time_frame_has_a_number_and_a_longer_one_is_prose() -> None:
    short, long = Draft202012Validator(time_schema(2)), Draft202012Validator(time_schema(6))
    assert short.is_valid({"number": 8, "unit": "weeks"})
    assert not short.is_valid({"number": 0, "unit": "weeks"})
    assert not short.is_valid({"number": 8, "unit": "moons"})
    assert not short.is_valid("8 weeks or thereabouts")
    assert long.is_valid("From baseline to the end of treatment")


def test_sentences_become_one_text_each_with_its_end() -> None:
    summary = numbered("Levodopa is\n inhaled", "- Is it better?", "Placebo is not,")
    made = build_record(TARGET, TEXTS | {"summary": summary})
    assert made["summary"] == "Levodopa is inhaled. Is it better? Placebo is not."


@pytest.mark.parametrize("words", [1, 11, 22, 33, 34, 100, 599])
def test_a_text_has_as_many_words_as_its_sentences_together(words: int) -> None:
    counts = sentence_words(words)
    assert sum(counts) == words
    assert max(counts) - min(counts) <= 1
    assert max(counts) <= 33


@pytest.mark.parametrize(
    ("text", "tidied"), [("- Adults", "Adults"), (" two\n lines ", "two lines"), ("A - B", "A - B")]
)
def test_a_bullet_is_no_part_of_a_text(text: str, tidied: str) -> None:
    assert tidy(text) == tidied


def test_a_mark_ends_a_sentence_once() -> None:
    assert [end_sentence(text) for text in ("It works", "It works.", "Who?", "It works;")] == [
        "It works.", "It works.", "Who?", "It works.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Levodopa " * 30},
        {"summary": numbered("Levodopa is given to all of the adults of this study and " * 9)},
        {"keywords": numbered("levodopa", "powder " * 20)},
        {"primary_outcomes": numbered({"measure": "Minutes of the off period " * 9})},
        {"arms": numbered({"label": "Levodopa powder"}, {"label": "Placebo powder " * 9})},
        {"inclusion": numbered("Diagnosis of Parkinson Disease", "Two off periods a day " * 12)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_text_that_ran_into_its_bound_is_found(change: dict[str, Any]) -> None:
    """An engine stops it there, in mid-word: here at the bound, where the good one has a word fewer."""
    ((name, value),) = change.items()
    good = TEXTS | {"keywords": numbered("levodopa", "powder")}
    skeleton = make_target(good)["skeleton"]
    parts = {field: part for part, fields in FIELDS_OF_PART.items() for field in fields}
    schema = part_schema(parts[name], skeleton, WRITTEN_FIELDS)
    assert schema is not None
    assert end_texts({name: good[name]}, schema) == ({name: good[name]}, {})
    assert list(end_texts({name: value}, schema)[1]) == [name]


def test_a_text_that_ran_into_its_bound_ends_at_its_last_whole_sentence() -> None:
    said = "Levodopa is given to all of the adults of this study. " * 9
    schema = part_schema("header", TARGET["skeleton"], WRITTEN_FIELDS)
    assert schema is not None
    ended, cut = end_texts({"summary": numbered(said)}, schema)
    assert ended["summary"]["1"] == said.strip()
    assert cut == {}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Levodopa at a stable dose of four times a day, ", "Levodopa at a stable dose of four times a day"),
        ("Off periods (of two hours, or more, in the morning " * 2, None),
        ("Dementia of any kind; 2: Two off periods; 3: More of it", "Dementia of any kind"),
        ("Dementia, and " + "no other disease of the brain or of the nerves " * 4, None),
    ],
    ids=["clause", "open-bracket", "list", "mostly-cut"],
)
def test_a_criterion_that_ran_into_its_bound_ends_at_a_clause(said: str, kept: str | None) -> None:
    bound = 60
    schema = {"properties": {"inclusion": {"properties": {"1": {"maxLength": bound}}}}}
    text = (said * 9)[:bound]
    ended, cut = end_texts({"inclusion": {"1": text}}, schema)
    assert ended["inclusion"]["1"] == (kept or text)
    assert bool(cut) == (kept is None)
    prose = {"properties": {"summary": schema["properties"]["inclusion"]}}
    assert bool(end_texts({"summary": {"1": text}}, prose)[1]) == (";" not in text)


def test_a_cut_text_is_asked_again_with_its_field_named() -> None:
    bound = part_schema("header", TARGET["skeleton"], WRITTEN_FIELDS)["properties"]["title"]["maxLength"]  # type: ignore[index]
    title = ("Levodopa Inhaled Powder in Parkinson Disease of Adults " * 9)[:bound]
    with pytest.raises(Fault, match=r"^cut_title$"):
        write_draft(make_writer(), make_target(exemplars=[]), TEXTS | {"title": title})
