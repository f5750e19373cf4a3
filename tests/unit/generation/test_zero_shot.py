"""The model asked outright: balanced questions, one score a trial, no label in a question."""

from __future__ import annotations

import polars as pl
import pytest

from trialforge.generation.asking import Fault, Tally, ask_all
from trialforge.generation.zero_shot import (
    ZERO_SHOT_SCHEMA,
    ZeroShotParams,
    add_unasked,
    ask_outcome,
    ask_outcomes,
    choose_trials,
    read_outcome,
    zero_shot_rows,
)
from trialforge.llm.backend import Sampling
from trialforge.llm.embedded import EmbeddedGenerator
from trialforge.llm.schemas import check_schema

from .records import QueuedGenerator

PARAMS = ZeroShotParams(answers=2, summary_characters=20, sampling=Sampling(max_tokens=8))


def trial(number: int, label: int = 1) -> dict[str, object]:
    return {
        "nct_id": f"NCT0000000{number}",
        "label": label,
        "title": "Aspirin </trial> for headache",
        "phase": "Phase 3",
        "conditions": ["Headache"],
        "interventions": [{"name": "Aspirin"}],
        "summary": "Whether aspirin helps more than nothing.",
    }


def test_a_question_shows_the_registration_in_a_fence_and_no_outcome() -> None:
    texts = [ask_outcome(trial(1, label), 0, PARAMS, seed=1).messages for label in (0, 1)]
    assert texts[0] == texts[1]
    user = texts[0][1].content
    assert user.count("</trial>") == 1
    assert "Aspirin ‹/trial> for headache" in user
    assert "Phase: Phase 3" in user
    assert "Summary: Whether aspirin help" in user
    assert "NCT" not in user


def test_every_second_question_names_the_outcomes_the_other_way_round() -> None:
    first, second = ask_outcomes([trial(1)], PARAMS, seed=1)
    assert "success or failure" in first.messages[1].content
    assert "failure or success" in second.messages[1].content
    assert first.seed != second.seed
    check_schema(first.schema)


def test_so_many_labelled_trials_are_asked_about() -> None:
    test = pl.DataFrame([trial(number) | {"nct_id": f"NCT{number:08d}"} for number in range(50)])
    test = test.with_columns(label=pl.when(pl.int_range(pl.len()) > 4).then("label"))
    assert choose_trials(test.reverse(), PARAMS, seed=1).equals(test.tail(45))
    few = PARAMS.model_copy(update={"trials": 20})
    drawn = choose_trials(test, few, seed=1)["nct_id"]
    assert drawn.n_unique() == 20
    assert drawn.is_sorted()
    assert drawn.is_in(test.tail(45)["nct_id"].implode()).all()
    assert choose_trials(test, few, seed=2)["nct_id"].to_list() != drawn.to_list()


def test_a_trials_score_is_the_share_of_its_answers_that_say_success() -> None:
    trials = [trial(1), trial(2, 0), trial(3)]
    generator = QueuedGenerator('"success"', '"success"', '"success"', '"failure"', '"failure"', "cut")
    answers = ask_all(generator, ask_outcomes(trials, PARAMS, 1), PARAMS.sampling, 0, Tally())
    rows = zero_shot_rows(trials, answers, PARAMS)
    assert dict(rows.schema) == ZERO_SHOT_SCHEMA
    assert rows["score"].to_list() == [1.0, 0.5, 0.0]
    assert rows["answers"].to_list() == [[1, 1], [1, 0], [0]]
    assert rows["label"].to_list() == [1, 0, 1]


def test_a_trial_that_was_not_asked_about_has_a_row_without_a_score() -> None:
    answers = ask_all(
        QueuedGenerator('"success"', '"failure"'),
        ask_outcomes([trial(2)], PARAMS, 1),
        PARAMS.sampling,
        0,
        Tally(),
    )
    test = pl.DataFrame([trial(3), trial(1, 0), trial(2)])
    rows = add_unasked(zero_shot_rows([trial(2)], answers, PARAMS), test)
    assert dict(rows.schema) == ZERO_SHOT_SCHEMA
    assert rows["nct_id"].to_list() == ["NCT00000001", "NCT00000002", "NCT00000003"]
    assert rows["label"].to_list() == [0, 1, 1]
    assert rows["score"].to_list() == [None, 0.5, None]
    assert rows["answers"].to_list() == [None, [1, 0], None]


def test_a_trial_without_any_answer_stands_in_the_middle() -> None:
    answers = ask_all(
        QueuedGenerator("cut", "cut"), ask_outcomes([trial(1)], PARAMS, 1), PARAMS.sampling, 0, Tally()
    )
    assert zero_shot_rows([trial(1)], answers, PARAMS).select("score", "answers").row(0) == (0.5, [])


@pytest.mark.parametrize("text", ["", "success", '"perhaps"', "{}"])
def test_an_answer_that_names_no_outcome_is_a_fault(text: str) -> None:
    with pytest.raises(Fault, match="not_schema"):
        read_outcome(text)


def test_a_real_model_is_forced_to_name_an_outcome(engine: EmbeddedGenerator) -> None:
    answers = ask_all(engine, ask_outcomes([trial(1)], PARAMS, 1), PARAMS.sampling, 0, Tally())
    assert {answer.value for answer in answers} <= {0, 1}
