"""Texts that are copied or cut are asked for alone; the rest of the answer is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from trialforge.generation.asking import Answer, Fault, Tally, ask_all
from trialforge.generation.drafts import Draft, DraftWriter
from trialforge.generation.mending import can_mend, copied_texts, replaced_texts, schema_of
from trialforge.generation.params import GenerationParams
from trialforge.llm.backend import Sampling
from trialforge.llm.schemas import check_schema
from trialforge.trial.criterion_kinds import SIDES, CriterionKinds
from trialforge.trial.draft_fields import PARTS

from .records import (
    TEXTS,
    QueuedGenerator,
    make_checks,
    make_target,
    make_trial,
    make_writer,
    numbered,
    part_answer,
    write_draft,
)

LONG = "Levodopa at a stable dose of four times a day for at least four weeks before entry"
EXEMPLAR = make_trial(
    criteria=f"Inclusion Criteria:\n- {LONG}\n- Age of 40 years or older\nExclusion Criteria:\n- Dementia"
)
COPIED: dict[str, Any] = TEXTS | {
    "inclusion": numbered("Diagnosis of Parkinson Disease", LONG, "Age of 40 years or older")
}
REWORDED = {
    "inclusion": {
        "2": "No change of the amount of levodopa in the whole month that precedes it",
        "3": "At least forty years of age",
    }
}


def misspell(text: str) -> str:
    """Another letter in some words, so that no 8-gram is left."""
    return text.replace("stable", "stuble").replace("times", "timmes").replace("weeks", "wekes")


def begin(writer: DraftWriter) -> Draft:
    """A draft whose criteria come next."""
    draft = Draft(make_target(COPIED), [])
    for part in PARTS[:2]:
        value = writer.ask(draft, part).accept(json.dumps(part_answer(part, COPIED)))
        draft.take(Answer(value, None, 0, 5, "d" * 64))
    return draft


def test_only_texts_that_an_exemplar_has_are_copied() -> None:
    texts = {"title": TEXTS["title"], **part_answer("inclusion", COPIED)}
    copied = {"inclusion": {"2": LONG, "3": "Age of 40 years or older"}}
    assert copied_texts(texts, [EXEMPLAR]) == copied
    assert copied_texts(part_answer("inclusion"), [EXEMPLAR]) == {}
    assert copied_texts({"summary": numbered(f"First, {LONG[:60]}.")}, [EXEMPLAR]) != {}
    misspelled = {"inclusion": numbered(misspell(LONG), "Agee of 40 years or older")}
    assert copied_texts(misspelled, [EXEMPLAR]) == {"inclusion": {"1": misspelled["inclusion"]["1"]}}


def test_a_title_is_written_anew_with_its_part() -> None:
    assert copied_texts({"title": EXEMPLAR["title"]}, [EXEMPLAR]) == {}
    assert can_mend({"summary": numbered("Too long")})
    assert not can_mend({"title": "Too long", "summary": numbered("Too long")})
    assert not can_mend({})


def test_a_criterion_that_stands_twice_is_dropped_and_the_end_of_an_answer_cut() -> None:
    writer = make_writer(EXEMPLAR)
    once = "Parkinson disease that a neurologist has diagnosed at least two years ago"
    own = (once, f"{once}.", "Able to walk without help''}")
    answer = part_answer("inclusion", COPIED | {"inclusion": numbered(*own)})
    value = writer.ask(begin(writer), "inclusion").accept(json.dumps(answer))
    assert value["dropped"] == 1
    assert value["record"]["criteria"] == (f"Inclusion Criteria:\n- {once}\n- Able to walk without help")


def test_terms_stay_as_they_are() -> None:
    endpoint = {"measure": EXEMPLAR["title"], "time_frame": {"number": 8, "unit": "weeks"}}
    assert copied_texts({"primary_outcomes": numbered(endpoint)}, [EXEMPLAR]) == {}


def test_the_question_asks_for_the_copied_texts_alone() -> None:
    generator = QueuedGenerator(part_answer("inclusion", COPIED), REWORDED)
    writer, tally = make_writer(EXEMPLAR), Tally()
    question = writer.ask(begin(writer), "inclusion")
    (answer,) = ask_all(generator, [question], Sampling(), 2, tally)
    assert answer.value is not None
    assert answer.value["texts"]["inclusion"] == {
        "1": "Diagnosis of Parkinson Disease",
        **REWORDED["inclusion"],
    }
    assert tally.faults == {"copied_criteria_text": 1}
    first, second = generator.history
    assert second.schema is not None
    assert second.schema["properties"]["inclusion"]["required"] == ["2", "3"]
    check_schema(second.schema)
    assert len(second.messages[-1].content) < len(first.messages[-1].content)
    assert LONG in second.messages[-1].content
    assert "Diagnosis" not in second.messages[-1].content


def asked_places(generator: QueuedGenerator) -> list[list[str]]:
    return [
        [*request.schema["properties"]["inclusion"]["required"]]
        for request in generator.history
        if request.schema
    ]


def test_a_mend_goes_on_while_it_helps_and_then_the_copy_is_dropped() -> None:
    half = {"inclusion": {**REWORDED["inclusion"], "2": LONG}}
    still = {"inclusion": {"2": LONG}}
    writer = make_writer(EXEMPLAR)
    generator = QueuedGenerator(part_answer("inclusion", COPIED), half, still)
    (answer,) = ask_all(generator, [writer.ask(begin(writer), "inclusion")], Sampling(), 3, Tally())
    assert asked_places(generator) == [["1", "2", "3"], ["2", "3"], ["2"]]
    assert answer.value is not None
    assert list(answer.value["texts"]["inclusion"]) == ["1", "3"]
    assert answer.value["dropped"] == 1
    assert LONG not in answer.value["record"]["criteria"]


def test_where_little_is_left_all_is_written_anew() -> None:
    still = {"inclusion": {name: COPIED["inclusion"][name] for name in ("2", "3")}}
    whole = {"inclusion": {"1": "Diagnosis of Parkinson Disease", **REWORDED["inclusion"]}}
    writer = make_writer(EXEMPLAR)
    generator = QueuedGenerator(part_answer("inclusion", COPIED), still, whole)
    (answer,) = ask_all(generator, [writer.ask(begin(writer), "inclusion")], Sampling(), 3, Tally())
    assert asked_places(generator) == [["1", "2", "3"], ["2", "3"], ["1", "2", "3"]]
    assert answer.value is not None
    assert answer.value["texts"] == whole
    assert answer.value["dropped"] == 0


def test_schema_and_answer_keep_the_shape_of_the_part() -> None:
    schema = {
        "properties": {"title": {"type": "string"}, "inclusion": {"properties": {"1": {"minLength": 2}}}}
    }
    assert schema_of({"inclusion": {"1": "x"}}, schema)["properties"]["inclusion"]["properties"] == {
        "1": {"minLength": 2}
    }
    texts = {"title": "A", "inclusion": {"1": "b", "2": "c"}}
    assert replaced_texts(texts, {"inclusion": {"2": "d"}}) == {
        "title": "A",
        "inclusion": {"1": "b", "2": "d"},
    }
    assert replaced_texts(texts, {"title": "B"})["title"] == "B"


def test_a_cut_text_is_asked_for_in_fewer_words() -> None:
    endless = "Off periods that last for most of the day and that come back after each of the doses of " * 4
    writer, tally = make_writer(EXEMPLAR), Tally()
    question = writer.ask(begin(writer), "inclusion")
    slots = question.schema["properties"]["inclusion"]["properties"]
    texts = {**REWORDED["inclusion"], "1": "Diagnosis of Parkinson Disease"}
    cut = {"inclusion": dict(sorted(texts.items())) | {"2": endless[: slots["2"]["maxLength"]]}}
    generator = QueuedGenerator(cut, {"inclusion": {"2": REWORDED["inclusion"]["2"]}})
    (answer,) = ask_all(generator, [question], Sampling(), 1, tally)
    assert answer.value is not None
    assert answer.value["texts"]["inclusion"] == texts
    assert tally.faults == {"cut_inclusion": 1}
    asked = generator.history[1].messages[-1].content
    assert "too long" in asked
    assert "Diagnosis" not in asked


def test_lines_of_the_prompt_are_dropped_without_another_call() -> None:
    echo = "Sponsor: Other, that is no company but a university or a hospital of its own"
    echoed = TEXTS | {"inclusion": numbered("Diagnosis of Parkinson Disease", echo, "Two off periods a day")}
    generator = QueuedGenerator(part_answer("inclusion", echoed))
    writer = make_writer(EXEMPLAR)
    (answer,) = ask_all(generator, [writer.ask(begin(writer), "inclusion")], Sampling(), 0, Tally())
    assert answer.value is not None
    assert list(answer.value["texts"]["inclusion"]) == ["1", "3"]
    assert answer.value["dropped"] == 1


def learned_kinds() -> CriterionKinds:
    """A classifier of a few criteria of each side, with a bound that leaves unknown words alone."""
    lines = {
        "inclusion": ("Diagnosis of asthma", "Able to walk without help", "Aged 18 years or more"),
        "exclusion": ("Pregnancy or breastfeeding", "Allergy to any drug", "Another trial within a month"),
    }
    classifier = make_pipeline(TfidfVectorizer(), LinearSVC(random_state=0))
    texts = [text for side in SIDES for text in lines[side]]
    classifier.fit(texts, [side for side in SIDES for _ in lines[side]])
    return CriterionKinds(classifier, dict.fromkeys(SIDES, -0.5))


def test_criteria_of_the_other_side_are_dropped_and_where_they_prevail_all_is_written_anew() -> None:
    kinds = learned_kinds()
    right = ("Diagnosis of Parkinson Disease", "Off time of two hours a day")
    wrong = "Pregnancy or breastfeeding, allergy to any drug, or another trial within a month"
    assert kinds.find_unlikely("inclusion", [*right, wrong]) == [wrong]
    checks = make_checks(EXEMPLAR, kinds=kinds)
    writer = DraftWriter({"SIM1": EXEMPLAR}, GenerationParams(), 4096, checks, kinds)
    mostly_wrong = {"inclusion": numbered(right[0], wrong, "Allergy to any drug or pregnancy")}
    one_wrong = {"inclusion": numbered(right[0], wrong, right[1])}
    generator, tally = QueuedGenerator(mostly_wrong, one_wrong), Tally()
    (answer,) = ask_all(generator, [writer.ask(begin(writer), "inclusion")], Sampling(), 1, tally)
    assert tally.faults == {"unlikely_criteria": 1}
    assert answer.value is not None
    assert (*answer.value["texts"]["inclusion"].values(),) == right
    assert answer.value["dropped"] == 1


def test_sentences_that_claim_another_design_are_dropped() -> None:
    claim = "This is a randomised study of two ways in which levodopa can be given to people at home, "
    claim += "with a meal or before it."
    told = TEXTS | {"summary": numbered(*TEXTS["summary"].values(), claim)}
    target = make_target(told)
    writer = make_writer(EXEMPLAR)
    for allocation, kept in (("Randomized", True), ("Non-Randomized", False)):
        skeleton = target["skeleton"] | {"allocation": allocation}
        draft = Draft(target | {"skeleton": skeleton}, [])
        value = writer.ask(draft, "header").accept(json.dumps(part_answer("header", told)))
        assert (claim in value["record"]["summary"]) is kept


def test_sentences_that_recite_the_prompt_are_dropped_from_their_text() -> None:
    good = "The study asks whether inhaled levodopa ends off periods of Parkinson disease sooner"
    told = TEXTS | {
        "summary": numbered(
            f"{good}. The sex of the participants is all.", f"{good}? The sponsor of the study is Other."
        )
    }
    question = make_writer(EXEMPLAR).ask(Draft(make_target(told), []), "header")
    value = question.accept(json.dumps(part_answer("header", told)))
    assert value["record"]["summary"] == f"{good}. {good}?"


@pytest.mark.parametrize(
    ("rest", "kept"),
    [
        ("citabine in patients who were asked to come.", False),
        ("mRNA-1273 is given to those whom it can help.", True),
    ],
)
def test_the_rest_of_a_cut_sentence_is_dropped_and_a_name_is_not(rest: str, kept: bool) -> None:
    first = "the study asks whether inhaled levodopa ends off periods of Parkinson disease sooner"
    told = TEXTS | {
        "summary": numbered(
            f"{first} in people at home who take no other drug.", f"{rest} They come once a week for it."
        )
    }
    value = (
        make_writer(EXEMPLAR)
        .ask(Draft(make_target(told), []), "header")
        .accept(json.dumps(part_answer("header", told)))
    )
    assert value["record"]["summary"].startswith(first)
    assert (rest in value["record"]["summary"]) is kept


def test_a_repeat_that_ran_into_its_bound_is_dropped_and_not_asked_for_again() -> None:
    writer = make_writer(EXEMPLAR)
    question = writer.ask(begin(writer), "inclusion")
    slots = question.schema["properties"]["inclusion"]["properties"]
    second = "Off periods that last for most of the day in each of the three diaries before entry"
    third = f"{second} {'and on and on ' * 40}"[: slots["3"]["maxLength"]]
    answer = {"inclusion": numbered("Diagnosis of Parkinson Disease", second, third)}
    value = question.accept(json.dumps(answer))
    assert list(value["texts"]["inclusion"]) == ["1", "2"]
    assert value["dropped"] == 1


def test_an_exclusion_that_repeats_an_inclusion_is_dropped_and_half_of_a_list_always_stays() -> None:
    writer = make_writer(EXEMPLAR)
    included = (
        "Diagnosis of Parkinson Disease since two years or longer",
        "Off periods on most days of a week",
    )
    excluded = (*included, "Dementia in any form at screening", "Deep brain stimulation at any time before")
    texts = TEXTS | {"inclusion": numbered(*included), "exclusion": numbered(*excluded)}
    draft = write_draft(writer, make_target(texts), {k: v for k, v in texts.items() if k != "exclusion"})
    question = writer.ask(draft, "exclusion")
    value = question.accept(json.dumps({"exclusion": numbered(*excluded)}))
    assert (*value["texts"]["exclusion"].values(),) == excluded[2:]
    with pytest.raises(Fault, match=r"^repeated_criteria$"):
        question.accept(json.dumps({"exclusion": numbered(*included, f"{included[0]} or so", excluded[3])}))
