from __future__ import annotations

import polars as pl
import pytest

from trialforge.generation.exemplars import exemplar_sets, name_set, order_exemplars

PLAN = pl.DataFrame(
    {
        "target_id": ["a", "b", "c", "d"],
        "intervention": ["x"] * 4,
        "label": [1, 1, 0, 1],
        "arm": ["retrieval-reasoning"] * 3 + ["no-retrieval"],
        "block": pl.Series([None] * 4, dtype=pl.Int64),
        "pair": pl.Series([None] * 4, dtype=pl.Int64),
    }
)
EXEMPLARS = pl.DataFrame(
    [("a", 1, "T1"), ("a", 2, "T2"), ("a", 3, "T3"), ("b", 1, "T3"), ("b", 2, "T4"), ("c", 1, "T9")],
    schema=["target_id", "rank", "nct_id"],
    orient="row",
)


def test_targets_of_two_blocks_share_no_exemplars() -> None:
    parted = PLAN.with_columns(pl.Series("block", [0, 1, 0, 1]))
    sets = exemplar_sets(parted, EXEMPLARS, count=2, share=True).to_dicts()
    assert [(row["exemplars"], row["targets"]) for row in sets[:2]] == [
        (["T1", "T2"], ["a"]),
        (["T3", "T4"], ["b"]),
    ]


def test_targets_of_one_intervention_label_and_arm_share_the_best_exemplars() -> None:
    sets = exemplar_sets(PLAN, EXEMPLARS, count=2, share=True).to_dicts()
    # reciprocal ranks: T3 1/3 + 1, T1 1, T2 and T4 1/2
    assert [(row["exemplars"], row["targets"]) for row in sets] == [
        (["T1", "T3"], ["a", "b"]),
        (["T9"], ["c"]),
        ([], ["d"]),
    ]


def test_unshared_targets_keep_their_own() -> None:
    sets = exemplar_sets(PLAN, EXEMPLARS, count=2, share=False).to_dicts()
    assert [(row["exemplars"], row["targets"]) for row in sets[:2]] == [
        (["T1", "T2"], ["a"]),
        (["T3", "T4"], ["b"]),
    ]


@pytest.mark.parametrize("share", [True, False])
def test_both_targets_of_a_pair_are_shown_exemplars_of_each(share: bool) -> None:
    pairs = PLAN.filter(arm="retrieval-reasoning").with_columns(pair=pl.Series([5, 6, 5]))
    alike = pl.concat(
        [pairs, pairs.filter(target_id="c").with_columns(target_id=pl.lit("d"), pair=pl.lit(6, pl.Int64))]
    )
    failures = pl.DataFrame([("d", 1, "T8")], schema=EXEMPLARS.schema, orient="row")
    sets = exemplar_sets(alike, pl.concat([EXEMPLARS, failures]), count=2, share=share)
    shown = {name: set(row["exemplars"]) for row in sets.to_dicts() for name in row["targets"]}
    assert shown["a"] == shown["c"]
    assert shown["b"] == shown["d"]
    assert shown["a"] == ({"T3", "T8"} if share else {"T1", "T9"})


def test_unshared_targets_with_equal_exemplars_are_one_set() -> None:
    same = pl.concat(
        [EXEMPLARS.filter(target_id="b"), EXEMPLARS.filter(target_id="b").with_columns(target_id=pl.lit("a"))]
    )
    assert exemplar_sets(PLAN, same, count=2, share=False)["targets"].to_list()[0] == ["a", "b"]


def test_labels_alternate_in_a_mixed_order_and_a_shuffle_is_seeded() -> None:
    labels: dict[str, int | None] = {"T1": 1, "T2": 1, "T3": 0, "T4": 0}
    assert order_exemplars(["T1", "T2", "T3", "T4"], labels, "mixed", 0) == ["T1", "T3", "T2", "T4"]
    one = order_exemplars(["T1", "T2", "T3", "T4"], labels, "shuffled", 0)
    assert one == order_exemplars(["T4", "T3", "T2", "T1"], labels, "shuffled", 0)
    assert sorted(one) == ["T1", "T2", "T3", "T4"]


def test_a_set_is_named_by_what_decides_it() -> None:
    assert name_set("x", 1, "arm", ["T1"]) != name_set("x", 0, "arm", ["T1"])
