"""Real trials said as a generator would have to say them."""

from __future__ import annotations

import pytest

from tests.unit.split.pools import simulated_pool
from trialforge.trial.canonical import canonical
from trialforge.trial.draft_fields import WRITTEN_FIELDS
from trialforge.trial.draft_form import as_drafts

EMPTIED = {"official_title", "detailed_description", "keywords", "secondary_outcomes", "arms"}
FIELDS = tuple(name for name in WRITTEN_FIELDS if name not in EMPTIED)


def test_a_trial_keeps_all_that_a_record_can_have() -> None:
    """Nothing is shortened: a record has as many items, and as long ones."""
    trials = simulated_pool(60, 1)
    assert as_drafts(trials, WRITTEN_FIELDS).equals(canonical(trials))


def test_a_trial_loses_what_a_record_is_not_asked_for() -> None:
    trials = simulated_pool(60, 1)
    drafts = as_drafts(trials, FIELDS)
    assert drafts.schema == trials.schema
    kept = [name for name in drafts.columns if name not in EMPTIED]
    assert drafts.select(kept).equals(canonical(trials).select(kept))
    assert drafts["arms"].list.len().max() == drafts["keywords"].list.len().max() == 0
    assert drafts["official_title"].null_count() == drafts.height


@pytest.mark.parametrize("side", ["inclusion", "exclusion"])
def test_criteria_are_there_if_either_side_is_asked_for(side: str) -> None:
    trials = simulated_pool(20, 1)
    assert as_drafts(trials, ("title", side))["criteria"].null_count() == 0
    assert as_drafts(trials, ("title",))["criteria"].null_count() == trials.height
