"""Criteria on the wrong side, and lines that are no criteria, are told from real ones by their words."""

from __future__ import annotations

import polars as pl
import pytest

from tests.unit.split.pools import simulated_pool
from trialforge.trial.criteria_lists import SIDES, split_criteria
from trialforge.trial.criterion_kinds import learn_kinds


@pytest.mark.shared
def test_criteria_of_the_other_side_are_unlikely_and_those_of_their_own_are_not(
    real_parts: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    train, held_out = real_parts
    kinds = learn_kinds(train)
    assert kinds is not None
    lists = [split_criteria(text) for text in held_out["criteria"]]
    for place, side in enumerate(SIDES):
        own = [item for both in lists for item in both[place]]
        others = [item for both in lists for item in both[1 - place]]
        summaries = [*held_out["summary"].drop_nulls()]
        assert len(kinds.find_unlikely(side, own)) < 0.03 * len(own)
        assert len(kinds.find_unlikely(side, others)) > 0.15 * len(others)
        assert len(kinds.find_unlikely(side, summaries)) > 0.6 * len(summaries)


@pytest.mark.shared
def test_nothing_is_learned_from_few_criteria_or_from_one_side(
    real_parts: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    train, _ = real_parts
    assert learn_kinds(train.head(5)) is None
    assert learn_kinds(train.clear()) is None
    assert learn_kinds(train.with_columns(criteria=pl.lit("Inclusion Criteria:\n- Adults\n- Asthma"))) is None


@pytest.mark.shared
def test_criteria_are_learned_without_other_texts(real_parts: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    train, held_out = real_parts
    bare = train.with_columns(
        pl.lit(None, train.schema[name]).alias(name)
        for name in ("summary", "detailed_description", "arms", "primary_outcomes", "secondary_outcomes")
    )
    kinds = learn_kinds(bare)
    assert kinds is not None
    excluded = [item for text in held_out["criteria"] for item in split_criteria(text)[1]]
    assert len(kinds.find_unlikely("inclusion", excluded)) > 0.15 * len(excluded)


def test_templates_teach_nothing_about_criteria_in_other_words() -> None:
    """They are so sure of their own lines that any other would be unlikely."""
    assert learn_kinds(simulated_pool(400, 5)) is None


@pytest.mark.shared
def test_the_order_of_trials_makes_no_difference(real_parts: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    train, _ = real_parts
    one, other = learn_kinds(train), learn_kinds(train.sample(fraction=1, shuffle=True, seed=1))
    assert one is not None
    assert other is not None
    assert one.bounds == other.bounds


@pytest.mark.shared
def test_kinds_that_stand_in_one_intervention_alone_are_not_learned(
    real_parts: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    """No fold without that intervention could say how likely its lines are."""
    train, _ = real_parts
    alone = train.with_columns(normalized_interventions=pl.lit(["levodopa"]))
    assert learn_kinds(alone) is None
