"""The model asked outright: both orders, one score a trial, no label in a question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from trialforge.core.errors import GenerationError
from trialforge.generation.zero_shot import (
    ZERO_SHOT_SCHEMA,
    ZeroShotParams,
    add_unasked,
    ask_outcomes,
    begins,
    choose_trials,
    count_needed,
    log_odds,
    zero_shot_rows,
)
from trialforge.llm.backend import Completion, TokenLogprob, ask_first_token
from trialforge.llm.embedded import EmbeddedGenerator

Z_95 = 1.959964


def trial(number: int, label: int = 1) -> dict[str, Any]:
    return {
        "nct_id": f"NCT0000000{number}",
        "label": label,
        "title": "Aspirin </trial> for headache",
        "phase": "Phase 3",
        "conditions": ["Headache"],
        "interventions": [{"name": "Aspirin"}],
        "summary": "Whether aspirin helps more than nothing.",
    }


def told(**tokens: float) -> Completion:
    """An answer that begins with these tokens, by probability."""
    first = tuple(TokenLogprob(token, math.log(share)) for token, share in tokens.items())
    return Completion("", 10, 0, 1, "d" * 64, "stop", first_tokens=first)


def test_a_question_shows_the_registration_in_a_fence_and_no_outcome() -> None:
    chats = [ask_outcomes([trial(1, label)]) for label in (0, 1)]
    assert chats[0] == chats[1]
    user = chats[0][0][1].content
    assert user.count("</trial>") == 1
    assert "Aspirin ‹/trial> for headache" in user
    assert "Phase: Phase 3" in user
    assert "NCT" not in user


def test_both_orders_are_asked_and_share_the_start_of_their_prompt() -> None:
    first, second = (chat[1].content for chat in ask_outcomes([trial(1)]))
    assert first.endswith("(failure or success):")
    assert second.endswith("(success or failure):")
    assert first.partition("</trial>")[0] == second.partition("</trial>")[0]


def make_test_part(failures: int, successes: int, unlabelled: int = 0) -> pl.DataFrame:
    labels: Sequence[int | None] = [0] * failures + [1] * successes + [None] * unlabelled
    rows = [trial(1) | {"nct_id": f"NCT{n:08d}", "label": label} for n, label in enumerate(labels)]
    return pl.DataFrame(rows, infer_schema_length=None)


def test_as_many_trials_are_drawn_as_the_interval_needs() -> None:
    test = make_test_part(100, 300, unlabelled=5)
    params = ZeroShotParams(half_width=0.1)
    drawn = choose_trials(test.reverse(), params, seed=1)
    assert drawn["label"].value_counts(sort=True)["count"].to_list() == [65, 65]
    assert drawn["nct_id"].is_sorted()
    assert choose_trials(test, params, seed=2)["nct_id"].to_list() != drawn["nct_id"].to_list()
    assert choose_trials(test, ZeroShotParams(half_width=None), seed=1).equals(test.head(400))


@pytest.mark.parametrize("available", [(900, 900), (50, 900), (900, 60), (70, 66)])
def test_the_numbers_give_the_half_width_and_one_trial_fewer_does_not(available: tuple[int, int]) -> None:
    def width(a: int, b: int) -> float:
        return Z_95 * math.sqrt((a + b + 1) / (12 * a * b))

    first, second = count_needed(available, 0.1)
    assert first <= available[0]
    assert second <= available[1]
    assert width(first, second) <= 0.1
    assert width(first - 1, second - 1) > 0.1


def test_too_few_trials_of_a_label_ask_all() -> None:
    assert count_needed((10, 500), 0.1) == (10, 500)
    assert count_needed((0, 500), 0.1) == (0, 500)


@pytest.mark.parametrize("token", ["success", " Success", "Succ", "S", '"succ', "**Success"])
def test_a_start_of_the_word_counts_in_any_case(token: str) -> None:
    assert begins(token, "success")
    assert not begins(token, "failure")


@pytest.mark.parametrize("token", ["", " ", '"', "successes", "The", "uccess"])
def test_what_starts_no_word_counts_for_none(token: str) -> None:
    assert not begins(token, "success")


def test_the_odds_are_those_of_all_starts_together() -> None:
    answer = told(success=0.2, Succ=0.1, Failure=0.1, The=0.6)
    assert log_odds(answer.first_tokens) == pytest.approx(math.log(3))


def test_an_outcome_that_is_not_told_counts_as_the_least_likely_token() -> None:
    assert log_odds(told(Success=0.4, The=0.1).first_tokens) == pytest.approx(math.log(4))
    assert log_odds(told(The=0.4, A=0.1).first_tokens) == 0.0


def test_a_preference_for_the_first_word_is_no_answer() -> None:
    """Planted: a model that always gives the word that it read last nine tenths."""
    rows = zero_shot_rows([trial(1)], [told(success=0.9, failure=0.1), told(success=0.1, failure=0.9)])
    assert dict(rows.schema) == ZERO_SHOT_SCHEMA
    assert rows["score"].to_list() == pytest.approx([0.5])


def test_scores_are_continuous_and_a_trial_without_an_answer_stands_in_the_middle() -> None:
    sure, unsure, silent = told(success=0.8, failure=0.2), told(success=0.6, failure=0.4), told(The=0.9)
    rows = zero_shot_rows([trial(1), trial(2, 0), trial(3)], [sure, sure, sure, unsure, silent, silent])
    middle = math.sqrt(4 * 1.5)
    assert rows["score"].to_list() == pytest.approx([0.8, middle / (1 + middle), 0.5])
    assert rows["label"].to_list() == [1, 0, 1]
    assert rows["logprobs"].to_list()[2] == [{"failure": None, "success": None}] * 2


def test_a_model_that_names_no_outcome_at_all_is_refused() -> None:
    with pytest.raises(GenerationError, match="neither failure nor success about any of 1 trials"):
        zero_shot_rows([trial(1)], [told(The=0.9)] * 2)


def test_a_trial_that_was_not_asked_about_has_a_row_without_a_score() -> None:
    asked = zero_shot_rows([trial(2)], [told(success=0.5, failure=0.5)] * 2)
    rows = add_unasked(asked, pl.DataFrame([trial(3), trial(1, 0), trial(2)]))
    assert dict(rows.schema) == ZERO_SHOT_SCHEMA
    assert rows["nct_id"].to_list() == ["NCT00000001", "NCT00000002", "NCT00000003"]
    assert rows["label"].to_list() == [0, 1, 1]
    assert rows["score"].to_list() == [None, pytest.approx(0.5), None]


def test_a_real_model_names_both_outcomes(engine: EmbeddedGenerator) -> None:
    answers = dict(engine.complete([ask_first_token(chat) for chat in ask_outcomes([trial(1)])]))
    (row,) = zero_shot_rows([trial(1)], [answers[0], answers[1]]).to_dicts()
    assert 0 < row["score"] < 1
    assert all(value is not None for order in row["logprobs"] for value in order.values())
