from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialforge.retrieval.analysis import english_terms, query_tokens, split_tokens, stem_word


def tokens(text: str) -> list[str]:
    return pl.DataFrame({"text": [text]}).select(split_tokens(pl.col("text"))).to_series()[0].to_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HbA1c >= 7.5% (e.g., 1,000.5 mg/m²)", ["HbA1c", "7.5", "e.g", "1,000.5", "mg", "m"]),
        ("Crohn's self-reported IL-2", ["Crohn's", "self", "reported", "IL", "2"]),
        ("v1.2b x_y a:b 3:4", ["v1.2b", "x_y", "a:b", "3", "4"]),
        ("naïve TNF-α 試験 カタカナ ™", ["naïve", "TNF", "α", "試", "験", "カタカナ", "™"]),
        ("", []),
    ],
)
def test_tokens_are_those_of_the_standard_tokeniser(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\u00b8"), max_size=60))
def test_tokens_of_a_query_are_those_of_the_index(text: str) -> None:
    # Both engines know another version of Unicode: only characters that both know are compared.
    assert query_tokens(text) == tokens(text)


def test_terms_drop_stop_words_and_possessives() -> None:
    found = dict(english_terms(pl.Series(["The", "Alzheimer’s", "PATIENTS", "__", "it's"])).iter_rows())
    assert found == {"Alzheimer’s": "alzheim", "PATIENTS": "patient"}


def test_long_token_is_cut_into_pieces() -> None:
    assert english_terms(pl.Series(["x" * 300]))["term"].str.len_chars().to_list() == [255, 45]


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("oncology", "oncolog"), ("etiologies", "etiolog"), ("biology", "biologi"),
        ("assembly", "assembl"), ("flexibly", "flexibl"), ("ms", "ms"), ("tablets", "tablet"),
    ],
)  # fmt: skip
def test_stems_are_those_of_porters_own_program(word: str, stem: str) -> None:
    assert stem_word(word) == stem
