"""Of several drafts the one that is likeliest a real trial with its label is kept, by what it may know of."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.unit.generation.records import make_trial
from trialforge.split.blocks import BLOCK_SCHEMA
from trialforge.trial.record import REGISTRATION_SCHEMA
from trialforge.validation.best import find_lesser, score_drafts

# What a success and a failure are told by, and words that no real trial has.
WORDS = {1: "mild disease at a stable dose", 0: "refractory disease after many lines"}
STRANGE = "purple elephants juggle lanterns quietly"
DRUGS = tuple(f"drug{place}" for place in range(8))


def criteria_of(drug: str, told: str) -> str:
    return f"Inclusion Criteria:\n\n- Adults who take {drug}\n- {told}\n\nExclusion Criteria:\n\n- Any cancer"


def real_trials() -> pl.DataFrame:
    rows = [
        make_trial(f"T{place}-{label}", label, criteria=criteria_of(drug, WORDS[label]))
        for place, drug in enumerate(DRUGS)
        for label in (0, 1)
    ]
    return pl.DataFrame(rows, schema_overrides=REGISTRATION_SCHEMA, infer_schema_length=None)


def draft_rows(label: int, *told: str, **changes: Any) -> pl.DataFrame:
    """A draft for each text and drug; those of one drug are of one target, and were shown its trial."""
    rows = [
        make_trial(f"D{place}-{number}", label, criteria=criteria_of(drug, text))
        | {"target_id": f"target {place}", "exemplars": [f"T{place}-{label}"], "block": None}
        | changes
        for place, drug in enumerate(DRUGS)
        for number, text in enumerate(told)
    ]
    schema = REGISTRATION_SCHEMA | {"block": pl.Int64(), "exemplars": pl.List(pl.String())}
    return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None)


NO_BLOCKS = pl.DataFrame(schema=BLOCK_SCHEMA)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("worse", [STRANGE, WORDS], ids=["unlike any trial", "of the other label"])
def test_the_draft_that_is_like_real_trials_of_its_label_is_kept(label: int, worse: Any) -> None:
    bad = worse if isinstance(worse, str) else worse[1 - label]
    drafts = draft_rows(label, bad, WORDS[label], bad)
    lesser = find_lesser(drafts, real_trials(), NO_BLOCKS)
    assert lesser.to_list() == [True, False, True] * len(DRUGS)


def test_of_equal_drafts_the_first_is_kept_and_a_lone_one_always() -> None:
    equal = find_lesser(draft_rows(1, WORDS[1], WORDS[1]), real_trials(), NO_BLOCKS)
    assert equal.to_list() == [False, True] * len(DRUGS)
    assert not find_lesser(draft_rows(1, STRANGE), real_trials(), NO_BLOCKS).any()
    assert find_lesser(draft_rows(1, STRANGE).clear(), real_trials(), NO_BLOCKS).is_empty()


def test_a_draft_is_never_scored_by_what_it_was_shown() -> None:
    """All drafts were shown one trial: whatever it says, and whether they repeat it, moves no score."""
    real, shown = real_trials(), [real_trials()["nct_id"][0]]
    drafts = draft_rows(0, WORDS[0], STRANGE, exemplars=shown)
    other = pl.when(pl.col("nct_id") == shown[0]).then(pl.lit(STRANGE)).otherwise("criteria")
    changed = real.with_columns(criteria=other)
    assert score_drafts(drafts, changed).equals(score_drafts(drafts, real))
    unseen = draft_rows(0, WORDS[0], STRANGE, exemplars=["T7-1"])
    assert not score_drafts(unseen, changed).equals(score_drafts(unseen, real))


def test_a_block_is_scored_by_its_own_trials_alone() -> None:
    real = real_trials()
    numbers = pl.Series([place // 8 for place in range(real.height)], dtype=pl.Int64)
    blocks = real.select("nct_id", block=numbers)
    drafts = draft_rows(1, WORDS[0], WORDS[1], block=0)
    # In the other block words and labels are the other way round.
    turned = real.join(blocks, on="nct_id").with_columns(
        label=pl.when(pl.col("block") == 1).then(1 - pl.col("label")).otherwise("label")
    )
    assert find_lesser(drafts, turned, blocks).equals(find_lesser(drafts, real, blocks))
    there = drafts.with_columns(block=pl.lit(1, pl.Int64))
    assert not find_lesser(there, turned, blocks).equals(find_lesser(there, real, blocks))
