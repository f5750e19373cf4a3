"""Texts that are copied or cut are asked for alone; the rest of the answer is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from trialforge.generation.asking import Answer, Fault, Tally, ask_all
from trialforge.generation.drafts import DraftWriter
from trialforge.generation.mending import can_mend, copied_texts, replaced_texts, right_spelling, schema_of
from trialforge.generation.params import GenerationParams
from trialforge.generation.part_answers import find_record_faults
from trialforge.generation.parts import count_missing
from trialforge.generation.record import Draft, build_record
from trialforge.llm.backend import Sampling
from trialforge.llm.schemas import check_schema
from trialforge.trial.checks.reference import Reference
from trialforge.trial.criteria_lists import SIDES
from trialforge.trial.criterion_kinds import CriterionKinds
from trialforge.trial.draft_fields import PARTS, TITLES

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


def begin(writer: DraftWriter, texts: dict[str, Any] = COPIED) -> Draft:
    """A draft whose criteria come next."""
    draft = Draft(make_target(texts), [])
    for part in PARTS[:2]:
        value = writer.ask(draft, part).accept(json.dumps(part_answer(part, texts)))
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


def test_a_title_is_not_shown_to_be_mended() -> None:
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


def test_what_a_mend_leaves_is_dropped_where_enough_is_left() -> None:
    half = {"inclusion": {**REWORDED["inclusion"], "2": LONG}}
    writer = make_writer(EXEMPLAR)
    generator = QueuedGenerator(part_answer("inclusion", COPIED), half)
    (answer,) = ask_all(generator, [writer.ask(begin(writer), "inclusion")], Sampling(), 3, Tally())
    assert asked_places(generator) == [["1", "2", "3"], ["2", "3"]]
    assert answer.value is not None
    assert list(answer.value["texts"]["inclusion"]) == ["1", "3"]
    assert LONG not in answer.value["record"]["criteria"]


def test_a_copied_criterion_gives_way_to_a_spare_one_without_another_call() -> None:
    writer = make_writer(EXEMPLAR)
    own = ("Diagnosis of Parkinson Disease", "Two off periods a day", "Able to inhale", "No tremor at rest")
    texts = COPIED | {"inclusion": numbered(*own)}
    draft = begin(writer, texts)
    for answer, kept in (
        ((*own, "Able to keep a diary"), own),
        ((own[0], LONG, *own[1:]), own),
        ((own[0], LONG, *own[1:3], "Age of 40 years or older"), own[:3]),
    ):
        value = writer.ask(draft, "inclusion").accept(json.dumps({"inclusion": numbered(*answer)}))
        assert (*value["texts"]["inclusion"].values(),) == kept
        assert value["record"]["criteria"].count("\n- ") == len(kept)
        assert count_missing(value["texts"], draft.target["skeleton"]) == 4 - len(kept)


def test_a_criterion_that_exemplars_have_too_stays_where_the_share_is_that_of_real_trials() -> None:
    texts = COPIED | {"inclusion": numbered(*(f"Off time of {hours} hours or more" for hours in "2345"))}
    answer = (
        "Age of 40 years or older",
        "Diagnosis of Parkinson Disease by a neurologist when at least 18 years of age",
        "Off periods that come on most days of the week in spite of all that is taken by mouth",
        "Able and willing to write down what happens in each hour of three days before each visit",
    )
    writer = make_writer(EXEMPLAR)
    question = writer.ask(begin(writer, texts), "inclusion")
    value = question.accept(json.dumps({"inclusion": numbered(*answer, "Able to inhale a dry powder")}))
    assert (*value["texts"]["inclusion"].values(),) == answer


def test_an_answer_is_good_where_one_copied_criterion_less_is_enough() -> None:
    """The others that exemplars have stay: the share is that of real trials."""
    texts = COPIED | {"inclusion": numbered(*(f"Off time of {hours} hours or more" for hours in "2345"))}
    own = (
        "Diagnosis of Parkinson Disease by a neurologist when at least 18 years of age and not before",
        "Off periods that come on most days of the week in spite of all that is taken by mouth",
    )
    copied = ("Age of 40 years or older", "Off time of two hours a day", "Able to walk without any help")
    lines = "".join(f"\n- {text}" for text in copied)
    exemplar = EXEMPLAR | {"criteria": f"Inclusion Criteria:{lines}\nExclusion Criteria:\n- Dementia"}
    checks = make_checks(exemplar, copies=0.15)
    writer = DraftWriter({"SIM1": exemplar}, GenerationParams(), 4096, checks)
    question = writer.ask(begin(writer, texts), "inclusion")
    value = question.accept(json.dumps({"inclusion": numbered(*copied, *own)}))
    assert (*value["texts"]["inclusion"].values(),) == (*copied[:2], *own)


def test_a_copied_sentence_stays_where_the_record_would_lack_what_it_says() -> None:
    """It is shown to be mended instead."""
    copied = f"{EXEMPLAR['summary']} It is for Parkinson Disease in people at home."
    told = TEXTS | {
        "title": "Levodopa Taken at Home",
        "summary": numbered(
            "Levodopa is given to each of the people who take part in it for as long as they want it.",
            copied,
            "They are asked every day how long it took until they could move again as they wished to.",
        ),
    }
    writer = make_writer(EXEMPLAR)
    generator = QueuedGenerator(part_answer("header", told), {})
    question = writer.ask(Draft(make_target(told), []), "header")
    ask_all(generator, [question], Sampling(), 1, Tally())
    assert generator.history[1].schema == schema_of({"summary": {"2": copied}}, question.schema)
    told_again = generator.history[1].messages[-1].content
    assert "refused" not in told_again
    assert "word for word" in told_again


def test_only_the_titles_are_written_anew_for_a_copied_title() -> None:
    titled = TEXTS | {"official_title": "Inhaled Levodopa at Home in People Who Have Parkinson Disease"}
    copied = titled | {"title": EXEMPLAR["title"]}
    writer, tally = make_writer(EXEMPLAR), Tally()
    titles = {name: titled[name] for name in TITLES}
    generator = QueuedGenerator(part_answer("header", copied), titles)
    draft = Draft(make_target(copied), [])
    (answer,) = ask_all(generator, [writer.ask(draft, "header")], Sampling(), 1, tally)
    assert tally.faults == {"copied_title": 1}
    assert answer.value is not None
    assert answer.value["texts"] == part_answer("header", titled)
    first, again = generator.history
    assert again.schema is not None
    assert [*again.schema["properties"]] == [*TITLES]
    told, before = again.messages[-1].content, first.messages[-1].content
    assert told.split("Write for one new trial")[0] == before.split("Write for one new trial")[0]
    assert TEXTS["summary"]["1"] not in told
    assert "An earlier answer was refused: copied_title" in told
    assert "of its own: title, official title." in told


def test_all_fields_at_fault_are_written_anew_together_and_where_one_is_unknown_the_part() -> None:
    titled = TEXTS | {"official_title": "Inhaled Levodopa at Home in People Who Have Parkinson Disease"}
    titled |= {"detailed_description": numbered("Levodopa is inhaled at home when an off period begins.")}
    copied = titled | {"title": EXEMPLAR["title"]}
    writer = make_writer(EXEMPLAR)
    for change, faults, anew in (
        (
            {"summary": numbered(f"Parkinson Disease is studied here. {EXEMPLAR['summary']}")},
            ["copied_title", "copied_summary_text"],
            ["title", "official_title", "summary"],
        ),
        (
            {"summary": numbered("A phase 3 study of levodopa in Parkinson Disease at home.")},
            ["misnamed_phase", "copied_title"],
            ["title", "official_title", "summary"],
        ),
        (
            {"summary": numbered("Ask (301) 496-8959 for levodopa in Parkinson Disease.")},
            ["copied_title", "telephone"],
            ["title", "official_title", "summary", "detailed_description"],
        ),
    ):
        texts = copied | change
        draft = Draft(make_target(texts), [])
        record = build_record(draft.target, part_answer("header", texts))
        pending = {"identity", "no_criteria"}
        found = find_record_faults(record, draft.target, make_checks(EXEMPLAR))
        assert [fault for fault in found if fault not in pending] == faults
        generator, tally = QueuedGenerator(part_answer("header", texts), {}), Tally()
        ask_all(generator, [writer.ask(draft, "header")], Sampling(), 1, tally)
        assert tally.faults["copied_title"] == 1
        assert generator.history[1].sampling.dry_allowed_length < Sampling().dry_allowed_length
        assert generator.history[1].schema is not None
        assert [*generator.history[1].schema["properties"]] == anew


def test_an_answer_for_some_fields_that_is_none_is_asked_for_again_alone() -> None:
    texts = TEXTS | {"title": EXEMPLAR["title"]}
    generator = QueuedGenerator(part_answer("header", texts), "no JSON", "cut", {"title": TEXTS["title"]})
    writer = make_writer(EXEMPLAR)
    question = writer.ask(Draft(make_target(texts), []), "header")
    (answer,) = ask_all(generator, [question], Sampling(), 3, Tally())
    assert answer.value is not None
    assert answer.value["texts"] == part_answer("header")
    asked = [[*request.schema["properties"]] for request in generator.history if request.schema]
    assert asked == [["title", "summary"], ["title"], ["title"], ["title"]]


def test_a_cut_text_that_is_copied_when_mended_is_asked_for_in_other_words() -> None:
    writer = make_writer(EXEMPLAR)
    texts = {"1": "Diagnosis of Parkinson Disease", "2": REWORDED["inclusion"]["2"]}
    question = writer.ask(begin(writer, COPIED | {"inclusion": texts}), "inclusion")
    bound = question.schema["properties"]["inclusion"]["properties"]["2"]["maxLength"]
    cut = {"inclusion": texts | {"2": ("Off periods that last for most of the day " * 9)[:bound]}}
    mended = [{"inclusion": {"2": text}} for text in (LONG, texts["2"])]
    generator, tally = QueuedGenerator(cut, *mended), Tally()
    (answer,) = ask_all(generator, [question], Sampling(), 2, tally)
    assert answer.value is not None
    assert answer.value["texts"]["inclusion"] == texts
    assert tally.faults == {"cut_inclusion": 1, "copied_criteria_text": 1}
    assert asked_places(generator) == [["1", "2"], ["2"], ["2"]]


def test_a_mend_that_is_no_answer_gives_way_to_the_part() -> None:
    writer = make_writer(EXEMPLAR)
    generator = QueuedGenerator(part_answer("inclusion", COPIED), "no JSON", {})
    ask_all(generator, [writer.ask(begin(writer), "inclusion")], Sampling(), 2, Tally())
    assert asked_places(generator) == [["1", "2", "3"], ["2", "3"], ["1", "2", "3"]]


def test_texts_stand_in_the_order_of_the_part_whatever_was_written_anew() -> None:
    texts = TEXTS | {"title": EXEMPLAR["title"]}
    again = {"title": "A Phase 3 Study of Levodopa in Parkinson Disease"}
    generator = QueuedGenerator(part_answer("header", texts), again, {})
    writer = make_writer(EXEMPLAR)
    ask_all(generator, [writer.ask(Draft(make_target(texts), []), "header")], Sampling(), 2, Tally())
    assert generator.history[2].schema is not None
    assert [*generator.history[2].schema["properties"]] == ["title", "summary"]
    assert "of its own: title, summary." in generator.history[2].messages[-1].content


DRUGS = make_trial(
    interventions=[
        {"type": "Drug", "name": name, "description": None} for name in ("Ixekizumab", "Prednisolone")
    ]
)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Bevacizumib and BEVACIZMUAB", "Bevacizumab and Bevacizumab"),
        ("bevacizumib15 after bevacizumib", "bevacizumab15 after bevacizumab"),
        ("Bevacizumab, bevacızumıb and İnterferon", None),
        ("Prednisone after prednisolones", None),  # another drug, and one that an exemplar has
        ("ixekizumib", None),
        ("interfering with an interferin", "interfering with an interferon"),
        ("Two interferons and an interferone", None),
        ("known spelling of betacizumab", None),
    ],
)
def test_a_misspelled_name_is_set_right_without_another_call(said: str, meant: str | None) -> None:
    known = frozenset({"betacizumab", "interfering"})
    given = ["Bevacizumab", "Interferon"]
    record = make_trial(interventions=[{"type": "Drug", "name": name, "description": None} for name in given])
    texts = {
        "title": said,
        "summary": {"1": f"{said}.", "2": "Nothing else."},
        "arms": {"1": {"label": said}},
    }
    spelled = right_spelling(texts, record, known)
    right = meant or said
    assert spelled == {
        "title": right,
        "summary": {"1": f"{right}.", "2": "Nothing else."},
        "arms": {"1": {"label": right}},
    }


def test_names_are_set_right_before_repeats_and_unfit_criteria_are_looked_for() -> None:
    texts = TEXTS | {"exclusion": numbered(*(f"Dementia of the kind number {kind}" for kind in "1234"))}
    writer = make_writer(EXEMPLAR)
    others = {name: value for name, value in texts.items() if name != "exclusion"}
    draft = write_draft(writer, make_target(texts), others)
    given = draft.target["skeleton"]["interventions"]
    draft.target["skeleton"]["interventions"] = [*given, given[0] | {"name": "Bevacizumab"}]
    answer = (
        "Allergy to bevacizumab of any kind",
        "Allergy to bevacizumib of any kind",
        "Participants must take bevacizumib at home every day",
        "Dementia of any kind at the screening",
        "Deep brain stimulation at any time before",
    )
    value = writer.ask(draft, "exclusion").accept(json.dumps({"exclusion": numbered(*answer)}))
    assert (*value["texts"]["exclusion"].values(),) == (answer[0], *answer[3:])


def test_the_rest_of_a_dropped_sentence_is_dropped_with_it_and_half_of_the_prose_stays() -> None:
    first = "Levodopa is inhaled at home by all of the people with Parkinson disease whenever it is wanted"
    told = TEXTS | {"summary": numbered(*(f"{first} in the {one} of day {one}." for one in "12345"))}
    writer = make_writer(EXEMPLAR)
    question = writer.ask(Draft(make_target(told), []), "header")
    bound = question.schema["properties"]["summary"]["properties"]["1"]["maxLength"]
    cut = ("The study asks how long it takes " * 20)[:bound]
    rest = "citabine in people with Parkinson disease who were asked to come to the clinic once a week."
    answer = told | {"summary": told["summary"] | {"1": cut, "2": rest}}
    value = question.accept(json.dumps(part_answer("header", answer)))
    assert list(value["texts"]["summary"]) == ["3", "4", "5"]
    recited = f"{first}. The sex of the participants is all."
    answer["summary"] |= {"4": cut, "5": recited}
    with pytest.raises(Fault, match=r"^recited_prompt$"):
        question.accept(json.dumps(part_answer("header", answer)))


def test_a_sentence_that_ran_into_its_bound_ends_at_a_clause_or_is_dropped_among_others() -> None:
    first = "Levodopa is inhaled at home by all of the people with Parkinson disease whenever it is wanted"
    clause = "The study asks how long it takes until the next one of the off periods ends in the morning of "
    clause += "a day on which people take what they always take at home and nothing else"
    endless = f"{clause}, and what people at home think of it {'as time goes on ' * 20}"
    broken = "The study asks whether, in people who take it, it takes " * 20
    told = TEXTS | {"summary": numbered(*(f"{first} in the {one} of day {one}." for one in "123"))}
    writer = make_writer(EXEMPLAR)
    question = writer.ask(Draft(make_target(told), []), "header")
    bound = question.schema["properties"]["summary"]["properties"]["3"]["maxLength"]
    for text, end in ((endless, clause), (broken, None)):
        answer = told | {"summary": told["summary"] | {"3": text[:bound]}}
        value = question.accept(json.dumps(part_answer("header", answer)))
        assert value["texts"]["summary"].get("3") == end
    both = told | {"summary": told["summary"] | {"2": broken[:bound], "3": broken[:bound]}}
    with pytest.raises(Fault, match=r"^cut_summary$"):
        question.accept(json.dumps(part_answer("header", both)))


def test_where_little_is_left_all_is_written_anew() -> None:
    still = {"inclusion": {name: COPIED["inclusion"][name] for name in ("2", "3")}}
    whole = {"inclusion": {"1": "Diagnosis of Parkinson Disease", **REWORDED["inclusion"]}}
    writer = make_writer(EXEMPLAR)
    generator = QueuedGenerator(part_answer("inclusion", COPIED), still, whole)
    (answer,) = ask_all(generator, [writer.ask(begin(writer), "inclusion")], Sampling(), 3, Tally())
    assert asked_places(generator) == [["1", "2", "3"], ["2", "3"], ["1", "2", "3"]]
    assert answer.value is not None
    assert answer.value["texts"] == whole


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
    texts = {"1": "Diagnosis of Parkinson Disease", "2": REWORDED["inclusion"]["2"]}
    question = writer.ask(begin(writer, COPIED | {"inclusion": texts}), "inclusion")
    slots = question.schema["properties"]["inclusion"]["properties"]
    cut = {"inclusion": texts | {"2": endless[: slots["2"]["maxLength"]]}}
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
    writer = DraftWriter({"SIM1": EXEMPLAR}, GenerationParams(), 4096, checks, Reference(kinds=kinds))
    mostly_wrong = {"inclusion": numbered(right[0], wrong, "Allergy to any drug or pregnancy")}
    one_wrong = {"inclusion": numbered(right[0], wrong, right[1])}
    generator, tally = QueuedGenerator(mostly_wrong, one_wrong), Tally()
    (answer,) = ask_all(generator, [writer.ask(begin(writer), "inclusion")], Sampling(), 1, tally)
    assert tally.faults == {"unlikely_criteria": 1}
    assert answer.value is not None
    assert (*answer.value["texts"]["inclusion"].values(),) == right


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


def test_an_exclusion_that_repeats_an_inclusion_is_dropped_and_half_of_a_list_always_stays() -> None:
    writer = make_writer(EXEMPLAR)
    included = (
        "Diagnosis of Parkinson Disease since two years or longer",
        "Off periods on most days of a week",
    )
    own = (
        "Dementia in any form at screening",
        "Deep brain stimulation at any time before",
        "No signed consent to the study at home",
    )
    excluded = (*included, *own)
    texts = TEXTS | {"inclusion": numbered(*included), "exclusion": numbered(*excluded[:4])}
    draft = write_draft(writer, make_target(texts), {k: v for k, v in texts.items() if k != "exclusion"})
    question = writer.ask(draft, "exclusion")
    value = question.accept(json.dumps({"exclusion": numbered(*excluded)}))
    assert (*value["texts"]["exclusion"].values(),) == excluded[2:]
    with pytest.raises(Fault, match=r"^repeated_criteria$"):
        question.accept(json.dumps({"exclusion": numbered(*included, f"{included[0]} or so", *own[1:])}))
