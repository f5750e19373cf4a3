from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialforge.trial.criteria_lists import join_criteria, split_criteria

ITEM = st.from_regex(r"[A-Z][a-z]{2,9}( [a-z]{2,9}){0,4}", fullmatch=True).filter(
    lambda item: "clusion" not in item
)


@given(st.lists(ITEM, min_size=1, max_size=5), st.lists(ITEM, min_size=1, max_size=5))
def test_lists_survive_the_way_through_the_registry_text(inclusion: list[str], exclusion: list[str]) -> None:
    assert split_criteria(join_criteria(inclusion, exclusion)) == (inclusion, exclusion)


@pytest.mark.parametrize(
    "text",
    [
        "Inclusion Criteria:\n\n1. Adults\n2. Asthma\n\nExclusion Criteria:\n\n* Smoking",
        "INCLUSION CRITERIA:\n- Adults\n- Asthma\nEXCLUSION CRITERIA:\n- Smoking",
        "Key Inclusion Criteria:\n\n• Adults\n\n• Asthma\n\nKey Exclusion Criteria:\n\n• Smoking",
    ],
)
def test_bullets_and_headings_of_the_registry_are_read(text: str) -> None:
    assert split_criteria(text) == (["Adults", "Asthma"], ["Smoking"])


def test_a_line_without_a_bullet_goes_on_with_the_item_before() -> None:
    assert split_criteria("Inclusion Criteria:\n- Adults who\n  can read\n- Asthma")[0] == [
        "Adults who can read",
        "Asthma",
    ]


def test_a_list_within_a_criterion_is_part_of_it() -> None:
    text = """Inclusion Criteria:
          -  No cardiac event within 6 months, including any of the following:
               -  Stroke; or
               -  Angina.
          -  One of the following:
               -  Asthma
               -  No control by steroids, such as:
                    -  Prednisone
          -  Patients must have adequate organ function:
               -  Bilirubin at most 2 mg/dL

        Exclusion Criteria:
          -  Cancer within 5 years, except:
               -  Carcinoma in situ
          -  Patients with any of the following are excluded:
               -  Fever"""
    inclusion, exclusion = split_criteria(text)
    assert inclusion == [
        "No cardiac event within 6 months, including any of the following: Stroke; Angina",
        "One of the following: Asthma; No control by steroids, such as: Prednisone",
        "Bilirubin at most 2 mg/dL",
    ]
    assert exclusion == ["Cancer within 5 years, except: Carcinoma in situ", "Fever"]


@pytest.mark.parametrize(
    ("text", "inclusion", "exclusion"),
    [
        # A line that denies has its list where it is a heading, or no less deep; up to the next denial.
        (
            "Inclusion Criteria:\n- Adults\n\nNone of the following now:\n\n- Stroke\n- Angina\n- No fever",
            ["Adults", "None of the following now: Stroke; Angina", "No fever"],
            [],
        ),
        (
            "Inclusion Criteria:\n- Adults\n- No cancer except:\n- Carcinoma in situ\n- No fever",
            ["Adults", "No cancer except: Carcinoma in situ", "No fever"],
            [],
        ),
        (
            "Inclusion Criteria:\n- Patients must not have any of the following:\n  - Stroke",
            ["Patients must not have any of the following: Stroke"],
            [],
        ),
        # What ends in "or" goes on.
        (
            "Inclusion Criteria:\n- Creatinine normal OR\n- Clearance at least 60 mL/min\n- Adults",
            ["Creatinine normal OR Clearance at least 60 mL/min", "Adults"],
            [],
        ),
        (
            "Inclusion Criteria:\n- Any of:\n  - Aplastic anemia\n  - Leukemia; OR\n- Inherited disorder; or",
            ["Any of: Aplastic anemia; Leukemia OR Inherited disorder"],
            [],
        ),
        ("Exclusion Criteria:\n- Cancer; or\n- Smoking; or", [], ["Cancer; or", "Smoking"]),
        # A denied list ends where another criterion begins.
        (
            "Inclusion Criteria:\n- No cancer except:\n  - In situ\n  - Negative pregnancy test\n  - Adults",
            ["No cancer except: In situ", "Negative pregnancy test", "Adults"],
            [],
        ),
        # An exception may stand in a heading of exclusions.
        (
            "Exclusion Criteria:\n- Fever\n\nOther cancer except for:\n\n- In situ",
            [],
            ["Fever", "Other cancer except for: In situ"],
        ),
        # An exception keeps its list however long.
        (
            f"Exclusion Criteria:\n- Cancer with these exceptions:\n  - {'Long ' * 70}one\n  - In situ; or",
            [],
            [f"Cancer with these exceptions: {'Long ' * 70}one; In situ"],
        ),
        (
            f"Inclusion Criteria:\n- Organ function, as one of:\n  - {'Long ' * 70}one\n  - Bilirubin normal",
            [f"{'Long ' * 70}one", "Bilirubin normal"],
            [],
        ),
    ],
)
def test_what_a_list_means_stays_with_it(text: str, inclusion: list[str], exclusion: list[str]) -> None:
    assert split_criteria(text) == (inclusion, exclusion)
    assert split_criteria(join_criteria(inclusion, exclusion)) == (inclusion, exclusion)


@pytest.mark.parametrize("text", [None, "", "  "])
def test_no_criteria_are_two_empty_lists(text: str | None) -> None:
    assert split_criteria(text) == ([], [])
