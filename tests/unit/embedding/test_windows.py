from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trialforge.embedding.windows import padded_length, plan_batches, pool_windows


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 4000))
def test_batches_cover_each_window_once_longest_first(lengths: list[int], batch_tokens: int) -> None:
    batches = plan_batches(lengths, batch_tokens)
    assert sorted(row for _, rows in batches for row in rows) == list(range(len(lengths)))
    padded = [length for length, _ in batches]
    assert padded == sorted(padded, reverse=True)
    for length, rows in batches:
        assert {padded_length(lengths[row]) for row in rows} == {length}
        assert len(rows) == 1 or len(rows) * length <= batch_tokens


def test_pooling_weights_windows_by_their_tokens() -> None:
    vectors = np.array([[1, 0], [0, 1], [0, 1]], dtype=np.float32)
    pooled = pool_windows(vectors, owners=[0, 0, 1], weights=[4, 3, 9], count=2)
    np.testing.assert_allclose(pooled, [[0.8, 0.6], [0, 1]], atol=1e-7)
