"""One rendering for real and synthetic prose: the same items, whatever the layout was."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trialforge.simulation.corpus import simulate
from trialforge.trial.canonical import canonical, canonical_criteria
from trialforge.trial.criteria_lists import split_criteria
from trialforge.trial.record import TRIAL_SCHEMA

SAMPLE = 100


def test_criteria_are_two_lists_under_the_registrys_headings() -> None:
    text = "Key Inclusion Criteria:\n\n1. Adults who\n   can read\n\nKey Exclusion Criteria:\n\n* Dementia"
    assert canonical_criteria(text) == (
        "Inclusion Criteria:\n- Adults who can read\nExclusion Criteria:\n- Dementia"
    )
    assert canonical_criteria("Inclusion Criteria:\n- Adults") == "Inclusion Criteria:\n- Adults"


@pytest.mark.parametrize(("text", "shown"), [(None, None), ("", None), (" \n ", None), (" - \n:", "- :")])
def test_what_has_no_item_keeps_its_words(text: str | None, shown: str | None) -> None:
    assert canonical_criteria(text) == shown


@given(st.text(alphabet="ab .:-*1)\n", max_size=60))
@example("1)1:b")
@example("1:b.")
def test_what_is_canonical_stays_as_it_is(text: str) -> None:
    once = canonical_criteria(text)
    assert canonical_criteria(once) == once


LINES = (
    "Inclusion Criteria:", "Exclusion Criteria:", "* Adults", "  - Able to enroll within a week", "12: women",
    "Patients with a stent are excluded.", "Inclusion: adults who can read. Exclusion criteria: dementia", "",
    "❶ Included if 18", "1. 2) Study inclusion | day 0", "Follow-up | day 30", "* included **see",
    "* not eligible**",
)  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=6))
@example(["Inclusion Criteria:", "", "❶ Age over 18", "❷ Able to enroll within a week"])
@example(["Inclusion Criteria:", "", "1: Study inclusion | day 0", "2: Follow-up | day 30"])
@example(["Inclusion Criteria:", "", "* Hepatitis B **see note 1", "* Ability to enroll within a week**"])
def test_lines_that_name_a_side_are_canonical_at_once(lines: list[str]) -> None:
    once = canonical_criteria("\n".join(lines))
    assert canonical_criteria(once) == once


def test_prose_stands_on_one_line_and_nothing_else_changes() -> None:
    trials = simulate(40, 1)
    summary = pl.lit("  Levodopa\n\n   for off \t periods.\n")
    outcome = [{"measure": "Off\n  hours", "time_frame": " ", "description": None}]
    rough = trials.with_columns(
        summary=summary,
        official_title=pl.lit(" \n"),
        primary_outcomes=pl.lit(pl.Series([outcome], dtype=TRIAL_SCHEMA["primary_outcomes"])).first(),
    )
    found = canonical(rough)
    assert found.schema == trials.schema
    assert set(found["summary"]) == {"Levodopa for off periods."}
    assert found["official_title"].null_count() == trials.height
    assert found["primary_outcomes"].to_list()[0] == [
        {"measure": "Off hours", "time_frame": None, "description": None}
    ]
    untouched = ["nct_id", "phase", "conditions", "keywords", "minimum_age", "label"]
    assert found.select(untouched).equals(trials.select(untouched))
    assert canonical(found).equals(found)


def test_a_simulated_trial_has_the_same_items_afterwards() -> None:
    trials = simulate(60, 2)
    for before, after in zip(trials["criteria"], canonical(trials)["criteria"], strict=True):
        assert split_criteria(after) == split_criteria(before)


@pytest.mark.shared
@pytest.mark.parametrize("corpus", ["xml", "json", "aact"])
def test_real_criteria_have_the_same_items_afterwards(real_criteria: pl.DataFrame, corpus: str) -> None:
    """All but one in a hundred, where an item reads like a heading; each is canonical at once."""
    texts = real_criteria.filter(pl.col("corpus") == corpus).drop_nulls("text")
    drawn = texts.sample(SAMPLE, seed=20412)
    pairs = [(text, canonical_criteria(text)) for text in drawn["text"]]
    assert all(canonical_criteria(after) == after for _, after in pairs)
    other = [before for before, after in pairs if split_criteria(after) != split_criteria(before)]
    assert len(other) <= 0.01 * SAMPLE, other
