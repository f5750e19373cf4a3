from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from trialforge.generation.phrases import MOST_WORDS, key_phrases
from trialforge.simulation.corpus import simulate
from trialforge.trial.text import plain_text, word_ngrams

CRITERION = "Patients with a history of allergy to aspirin, or with no prior chemotherapy (except adjuvant)."


def test_phrases_stand_between_stop_words_and_marks() -> None:
    assert key_phrases([CRITERION]) == ["history of allergy to aspirin", "no prior chemotherapy", "adjuvant"]


def test_a_number_keeps_what_it_bounds_and_a_turning_word_alone_is_no_phrase() -> None:
    assert key_phrases(["Neutrophils less than 1,500/mm3.", "Not above; less."]) == [
        "Neutrophils less than 1,500/mm3"
    ]


def test_what_is_said_twice_stands_once() -> None:
    assert key_phrases(["Renal failure.", "No sepsis, or renal failure"]) == ["Renal failure", "No sepsis"]


@given(st.lists(st.text(max_size=200), max_size=4))
def test_every_phrase_is_short_and_stands_in_the_text(texts: list[str]) -> None:
    whole = [" ".join(re.split(r"\s+", text)) for text in texts]
    for phrase in key_phrases(texts):
        assert 1 <= len(phrase.split()) <= MOST_WORDS
        assert any(phrase in text for text in whole)


def test_no_sentence_of_a_trial_can_be_read_from_its_phrases_but_what_it_is_about_can() -> None:
    texts = simulate(20, 1)["criteria"].to_list()
    for text in texts:
        phrases = key_phrases(text.splitlines())
        assert not word_ngrams(text, MOST_WORDS + 3) & {
            ngram for phrase in phrases for ngram in word_ngrams(phrase, MOST_WORDS + 3)
        }
        words = {word for word in plain_text(text).split() if len(word) >= 9}
        told = {*plain_text(" ".join(phrases)).split()}
        assert len(words & told) >= 0.9 * len(words)
