"""Distances come in blocks of bounded size, and no measure depends on where a block ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trialforge.quality.cosine import cosine_histogram
from trialforge.quality.membership import attack_features
from trialforge.quality.mmd import permute_discrepancy
from trialforge.quality.prdc import compare_manifolds
from trialforge.validation import neighbours
from trialforge.validation.duplicates import highest_cosine
from trialforge.validation.neighbours import distance_blocks, nearest_distances

if TYPE_CHECKING:
    import pytest


def unit_rows(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 6))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def measure(real: np.ndarray, records: np.ndarray) -> list[np.ndarray]:
    manifold = compare_manifolds(real, records, 3)
    mmd = permute_discrepancy(real, records, 1.0, 19, np.random.default_rng(1))
    return [
        manifold.inside, manifold.density, manifold.reached, manifold.covered,
        np.array([mmd.squared, mmd.p_value, *mmd.left_out]),
        cosine_histogram(records, None), cosine_histogram(records, real),
        *highest_cosine(records), *highest_cosine(records, real), attack_features(real, records),
        nearest_distances(real, None, 2),
    ]  # fmt: skip


def test_no_block_is_larger_than_it_may_be_and_none_changes_a_measure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, records = unit_rows(70, 1), unit_rows(41, 2)
    whole = measure(real, records)
    monkeypatch.setattr(neighbours, "BLOCK_CELLS", 300)
    sizes = [block.size for _, block in distance_blocks(real, records)]
    assert max(sizes) <= 300
    assert sum(sizes) == len(real) * len(records)
    for one, other in zip(whole, measure(real, records), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)
