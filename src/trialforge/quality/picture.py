"""Where records and real trials lie: two flat pictures of the space."""

from __future__ import annotations

import numpy as np
import polars as pl
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from trialforge.quality.case import Case, Side


def draw_picture(case: Case) -> pl.DataFrame:
    """Return points of PCA and t-SNE (van der Maaten and Hinton 2008) of records and as many real trials.

    Columns: `set`, `nct_id`, `label`, `pca_x`, `pca_y`, `tsne_x`, `tsne_y`; of a set at most
    `max_trials_drawn`.
    """
    most = case.params.max_trials_drawn
    sets = {"synthetic": case.candidates, "train": case.reference, "held out": case.held_out}
    drawn: dict[str, Side] = {
        name: side.draw(most, case.scale.stream("picture", name)) for name, side in sets.items() if side
    }
    rows = np.concatenate([side.rows for side in drawn.values()])
    seed = int(case.scale.stream("picture").integers(2**31))
    # Threads would add up the gradient in another order on each run, and t-SNE amplifies the last bit.
    with threadpool_limits(limits=1):
        flat = PCA(2, random_state=seed).fit_transform(rows)
        perplexity = min(30.0, max(2.0, (len(rows) - 1) / 4))
        curved = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(rows)
    return pl.DataFrame(
        {
            "set": [name for name, side in drawn.items() for _ in range(len(side))],
            "nct_id": [trial for side in drawn.values() for trial in side.frame["nct_id"]],
            "label": [label for side in drawn.values() for label in side.frame["label"]],
            "pca_x": flat[:, 0].round(4),
            "pca_y": flat[:, 1].round(4),
            "tsne_x": curved[:, 0].astype(np.float64).round(2),
            "tsne_y": curved[:, 1].astype(np.float64).round(2),
        },
        schema_overrides={"label": pl.Int64},
    )
