"""Criteria that a small model writes again with a word or two changed, against what registrants write."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trialforge.ingest.source import Batch
from trialforge.trial.criteria_lists import split_criteria
from trialforge.trial.criteria_repeats import find_loops, find_opposed, find_repeats, find_shared

# Written by Qwen2.5-Coder-1.5B.
COUNTS = "Absolute neutrophil count greater than 1,500/mm^3"
REMISSION = "All patients with lymphoma who meet the criteria for inclusion in the study"
LOOP = (
    "Able and willing to consent and is not pregnant or breastfeeding, is not pregnant or breastfeeding, "
    "is not pregnant or breastfeeding, is not pregnant or breastfeeding"
)


def test_an_item_with_a_few_more_words_or_fewer_is_a_repeat() -> None:
    items = [
        REMISSION,
        COUNTS,
        f"{REMISSION} of all ages.",
        "Aged 18 or more",
        "aged 18 or more",
        COUNTS[:40],
    ]
    assert find_repeats(items) == [2, 4, 5]


def test_an_exclusion_that_repeats_an_inclusion_is_opposed() -> None:
    included = [COUNTS, "Lung cancer", "Creatinine below 1.5 mg per dL in blood"]
    copied = f"{COUNTS} and younger than 65"
    assert find_opposed(included, [copied, "Lung cancer", "Pregnancy"]) == [copied]
    assert find_shared(included, [copied, COUNTS.upper(), "lung cancer"]) == [COUNTS.upper(), "lung cancer"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Platelet count > 75,000/mm^3 at screening", "Platelet count < 75,000/mm^3 at screening"),
        (
            "Women who use effective contraception during the study and for 30 days after its end",
            "Women who do not use effective contraception during the study and for 30 days after its end",
        ),
        (
            "Negative pregnancy test within 30 days of study entry in women of childbearing potential",
            "Positive pregnancy test within 30 days of study entry in women of childbearing potential",
        ),
        (
            "Fibrosis of grade 2 in a biopsy within a year",
            "Fibrosis of grade 3 in a biopsy within a year",
        ),
        ("The tumour is HER2+ by FISH", "The tumour is HER2- by FISH"),
        (
            "Cohort A: relapsed multiple myeloma after at least two prior lines of therapy",
            "Cohort B: relapsed multiple myeloma after at least two prior lines of therapy with lenalidomide",
        ),
        ("SGOT no greater than 3 times ULN", "Alkaline phosphatase no greater than 3 times ULN"),
    ],
)
def test_what_differs_in_what_it_says_is_no_repeat(one: str, other: str) -> None:
    assert find_repeats([one, other]) == []
    assert find_opposed([one], [other]) == []


def test_a_loop_is_found_and_a_list_of_bounds_is_not() -> None:
    bounds = (
        "Bilirubin less than or equal to 1.5 mg/dL, creatinine less than or equal to 2.0 mg/dL, and "
        "platelets less than or equal to 100,000"
    )
    assert find_loops([LOOP, bounds, "Adults", ""]) == [LOOP]


@pytest.mark.shared
def test_registrants_rarely_repeat_or_contradict_themselves(read_real: Callable[[str], Batch]) -> None:
    criteria = read_real("ctgov/studies_v2.jsonl.gz").trials["criteria"].drop_nulls()
    lists = [split_criteria(text) for text in criteria]
    items = sum(len(both[0]) + len(both[1]) for both in lists)
    assert sum(len(find_repeats(side)) for both in lists for side in both) < 0.015 * items
    assert sum(len(find_opposed(*both)) for both in lists) < 0.005 * items
    assert sum(len(find_loops(side)) for both in lists for side in both) < 0.001 * items
