"""A study in which all is known and a fit costs nothing: normal features, and the nearest centroid."""

from __future__ import annotations

import numpy as np

from trialforge.scoring.bootstrap import roc_auc
from trialforge.scoring.paired_tests import AreaTest
from trialforge.study.exchange import Areas, Worth, compare_areas, exchange_rate
from trialforge.study.study import draw_orders

SIZE, POOL = 25, 4  # trials of a block, blocks of a pool
CURVE = (1, 2, 3, 4, 6, 8, 12, 16)


def plain_study(
    seed: int, writer: str, *, blocks: int = 24, pools: int = 48, tests: int = 300, draws: int = 60
) -> tuple[Worth, AreaTest]:
    """Return worth and gain of a writer in a study of normal features and nearest centroids."""
    stream = np.random.default_rng(seed)
    features, effect, clusters = 40, 0.12, tests // 2

    def sums(trials: int, signal: float) -> np.ndarray:
        """Sums of label times features of so many trials, by block."""
        return stream.normal(trials * signal, np.sqrt(trials), (blocks, features))

    real = sums(SIZE, effect)
    written = sums(2 * SIZE, effect if writer == "true" else 0.0)
    labels = stream.integers(0, 2, tests)
    member = np.arange(tests) // 2
    rows = (2 * labels[:, None] - 1) * effect + stream.normal(size=(tests, features))
    rows += stream.normal(0, 0.5, (clusters, features))[member]
    drawn = stream.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)[:, member]
    weights = np.vstack([np.ones(tests), drawn])
    orders = np.array(draw_orders(blocks, pools, seed))

    def areas(size: int, extra: np.ndarray, added: float) -> Areas:
        members = np.zeros((pools, blocks), dtype=np.bool_)
        np.put_along_axis(members, orders[:, :size], values=True, axis=1)
        odds = members @ (real + extra) @ rows.T
        return Areas(np.stack([roc_auc(labels, row, 0.0, weights) for row in odds]), members, added)

    curve = {SIZE * size: areas(size, 0 * real, 0) for size in CURVE}
    augmented = areas(POOL, written, 2 * SIZE * POOL)
    return (
        exchange_rate(curve, augmented, SIZE * POOL, clusters=clusters, level=0.95),
        compare_areas(augmented, curve[SIZE * POOL], clusters),
    )
