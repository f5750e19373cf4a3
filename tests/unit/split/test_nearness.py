"""What trials share with one of them: words of conditions, area, phase, intervention."""

from __future__ import annotations

import pytest

from tests.unit.split.pools import make_pool
from trialforge.split.nearness import Nearness

ROWS = [
    {"conditions": ["Breast Cancer"], "phase": "Phase 2", "normalized_interventions": ["paclitaxel"]},
    {"conditions": ["Metastatic Breast Cancer"], "phase": "Phase 3", "normalized_interventions": ["placebo"]},
    {"conditions": ["Lung Cancer"], "phase": "Phase 2", "normalized_interventions": ["paclitaxel"]},
    {"conditions": ["Asthma"], "phase": "Phase 2"},
    {"conditions": ["Tumour"], "condition_mesh": ["Breast Neoplasms"], "phase": None},
    {"conditions": ["Something rare"], "phase": None, "normalized_interventions": []},
    {"conditions": None, "phase": None},
]


@pytest.fixture(scope="module")
def nearness() -> Nearness:
    return Nearness(make_pool(row | {"nct_id": f"A{place}"} for place, row in enumerate(ROWS)))


def test_words_that_many_conditions_have_weigh_less(nearness: Nearness) -> None:
    cosines = nearness.compare(0, "paclitaxel")["conditions"].to_list()
    assert cosines[0] == 1
    assert cosines[1] > cosines[4] > 0  # a MeSH term counts as a condition
    assert cosines[1] > cosines[2] > 0
    assert cosines[3] == cosines[5] == cosines[6] == 0


def test_the_score_counts_what_is_shared(nearness: Nearness) -> None:
    shared = nearness.compare(0, "paclitaxel")
    assert shared["area"].to_list() == [True, True, True, False, True, False, False]
    assert shared["phase"].to_list() == [True, False, True, True, False, False, False]
    assert shared["intervention"].to_list() == [True, False, True, False, False, False, False]
    assert shared["score"][0] == 5
    assert shared["score"].to_list() == [
        2 * row["conditions"] + row["area"] + row["phase"] + row["intervention"]
        for row in shared.iter_rows(named=True)
    ]


def test_what_is_unknown_is_not_shared(nearness: Nearness) -> None:
    """A trial without phase, conditions or a known area is like no other one in these, nor like itself."""
    for place in (5, 6):
        shared = nearness.compare(place, "paclitaxel")
        assert not shared["area"].any()
        assert not shared["phase"].any()
    assert nearness.compare(6, "paclitaxel")["conditions"].sum() == 0


def test_a_letter_or_a_digit_tells_diseases_apart() -> None:
    names = ("Hepatitis B", "Hepatitis C", "Diabetes Type 1", "Diabetes Type 2", "Back Pain", "Pain")
    nearness = Nearness(make_pool({"nct_id": name, "conditions": [name]} for name in names))
    for place in range(len(names)):
        cosines = nearness.compare(place, "x")["conditions"]
        assert (cosines == 1).sum() == 1
