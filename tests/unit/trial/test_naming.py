"""Names of sites, registry ids and web addresses are masked; what only looks like one is left."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialforge.trial.naming import find_names, mask_names


def mask(text: str) -> str:
    return str(mask_names(pl.Series([text]))[0].item())


def found_in(text: str) -> dict[str, bool]:
    return pl.DataFrame({"text": [text]}).select(**find_names(pl.col("text"))).row(0, named=True)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Seen at Massachusetts General Hospital, weekly", "Seen at [removed], weekly"),
        ("the University of Vermont Medical Center", "the [removed] Medical Center"),
        ("Completed LEVP2005-1/B (NCT01005888)", "Completed LEVP2005-1/B ([removed])"),
        ("See www.trialsite.org for more", "See [removed] for more"),
    ],
)
def test_what_exists_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Rated by the Hospital Anxiety and Depression Scale",
        "Patients of the outpatient Clinic",
        "A Mucus Shaver to Prevent Hospital-Acquired Pneumonia",
        "Care of Newborns in District Hospitals",
        "The University of Pennsylvania Smell Identification Scale is read twice",
        "Seen within 24 hours at any hospital or medical center",
    ],
)
def test_an_instrument_or_a_kind_of_place_is_left(text: str) -> None:
    assert mask(text) == text


def test_one_text_may_hold_both() -> None:
    text = "The Hospital Anxiety scale is read at Mulago Hospital, then at Mulago Hospital."
    assert mask(text) == "The Hospital Anxiety scale is read at [removed], then at [removed]."


def test_words_around_an_instrument_make_no_name() -> None:
    text = "University Hospital Anxiety University"
    assert mask(text) == text
    assert not any(found_in(text).values())


def test_nothing_stays_nothing() -> None:
    assert mask_names(pl.Series([None, ""], dtype=pl.String))[0].to_list() == [None, ""]


words = st.sampled_from(
    ["University", "of", "Hospital", "Anxiety", "Mayo", "Clinic", "Scale", "The", "at", "NCT01234567", "."]
)


@given(st.lists(words, max_size=12))
def test_masked_text_has_no_name_and_stays_as_it_is(parts: list[str]) -> None:
    once = mask(" ".join(parts))
    assert not any(found_in(once).values()), once
    assert mask(once) == once


def test_texts_with_a_name_are_counted() -> None:
    texts = ["A study at Mayo Clinic", None, "At Mayo Clinic and Mulago Hospital, after NCT01005888."]
    assert mask_names(pl.Series(texts))[1] == {"registry_id": 1, "url": 0, "site": 2}
