"""How near do records come to real trials, and would copies show?"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from trialforge.core.resampling import percentile_interval
from trialforge.quality.case import Case
from trialforge.quality.metric import Direction, Estimate, Metric, contrast, mean_of_records
from trialforge.validation.duplicates import find_near_copies
from trialforge.validation.neighbours import nearest_distances

QUANTILES = tuple(round(share, 2) for share in np.linspace(0, 1, 21))
PLANTED_RATES = (0.0, 0.01, 0.05, 0.2)
NOTE = "A picture, no proof of privacy: distances to the closest record are blind to a few verbatim copies."


@lru_cache(maxsize=4)
def _closest(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return distances of records and of held-out trials to their two nearest train trials."""
    train, held_out = case.pool.rows, case.need_held_out().rows
    return nearest_distances(case.candidates.rows, train, 2), nearest_distances(held_out, train, 2)


def ratio_of_distances(distances: np.ndarray) -> np.ndarray:
    """Return the nearest distance over the second nearest (NNDR); 1 where both are 0."""
    first, second = distances[:, 0], distances[:, 1]
    ratio: np.ndarray = np.divide(first, second, out=np.ones_like(first), where=second > 1e-9)
    return ratio


def closer_share(case: Case) -> Estimate:
    """Share of records nearer to a train trial than 95% of held-out trials are; .05 is what real trials have.

    Distance to closest record (DCR; Park et al. 2018, arXiv 1806.03384) over the whole of train. A picture
    and no proof of privacy: it is blind to 2% of verbatim copies.
    """
    ours, real = _closest(case)
    closer = ours[:, 0] < np.quantile(real[:, 0], 0.05)
    return mean_of_records(closer, case, "privacy", "closer")


def distance_ratio(case: Case) -> Estimate:
    """Median ratio of nearest to second nearest distance of records, minus that of held-out trials.

    NNDR (Lowe 2004, IJCV 60): a record far nearer to one train trial than to any other imitates that one.
    """
    ours, real = (ratio_of_distances(distances) for distances in _closest(case))
    return contrast(np.median, ours, real, case, "privacy", "ratio")


def closest_table(case: Case) -> pl.DataFrame:
    """Return quantiles of both distances of records and held-out trials, with intervals, and the note."""
    rows = []
    for name, distances in zip(("synthetic", "held out"), _closest(case), strict=True):
        for measure, values in (("DCR", distances[:, 0]), ("NNDR", ratio_of_distances(distances))):
            stream = case.scale.stream("privacy", "quantiles", name, measure)
            places = stream.integers(0, len(values), (case.params.bootstrap, len(values)))
            drawn = np.quantile(values[places], QUANTILES, axis=1)
            for place, share in enumerate(QUANTILES):
                low, high = percentile_interval(drawn[place])
                numbers = (float(np.quantile(values, share)), low, high)
                rows.append((name, measure, share, *(round(number, 4) for number in numbers), NOTE))
    names = ["set", "measure", "quantile", "value", "low", "high", "note"]
    return pl.DataFrame(rows, schema=names, orient="row")


def mark_copies(texts: pl.Series, case: Case) -> np.ndarray:
    """Return which texts are near-copies of a train trial (Jaccard of 5-grams at the bound)."""
    found = find_near_copies(texts, case.pool.texts, case.scale.validation.duplicates)
    return found["train_row"].is_not_null().to_numpy()


def copy_share(case: Case) -> Estimate:
    """Share of records that are near-copies of a train trial, minus that of held-out trials.

    Calibrated: a share of verbatim copies planted among held-out trials reads as that share.
    """
    ours, real = _copies(case)
    return contrast(np.mean, ours, real, case, "privacy", "copies")


@lru_cache(maxsize=4)
def _copies(case: Case) -> tuple[np.ndarray, np.ndarray]:
    marked = mark_copies(pl.concat([case.candidates.texts, case.need_held_out().texts]), case)
    return marked[: len(case.candidates)], marked[len(case.candidates) :]


def calibration_table(case: Case) -> pl.DataFrame:
    """Return what the measures read where copies of train trials are planted among held-out trials.

    Columns: `planted` (the share), `copies` (the near-copy measure, which must read it), `closer` (the
    share nearer than 95% of held-out trials, which lags behind), and `n`, the records of each mix: the
    held-out trials, repeated in turn to the next hundred, so that each share is one of whole records.
    """
    _, real = _copies(case)
    _, distances = _closest(case)
    bound = np.quantile(distances[:, 0], 0.05)
    size = -(-len(real) // 100) * 100
    stream = case.scale.stream("privacy", "planted")
    base = np.resize(stream.permutation(len(real)), size)
    most, train = round(max(PLANTED_RATES) * size), len(case.pool)
    planted = case.pool.take(np.sort(stream.choice(train, most, replace=most > train)))
    caught = mark_copies(planted.texts, case)
    near = nearest_distances(planted.rows, case.pool.rows, 1)[:, 0] < bound
    rows = []
    for rate in PLANTED_RATES:
        n = round(rate * size)
        kept = base[n:]
        copies = np.concatenate([real[kept], caught[:n]]).mean() - real.mean() * len(kept) / size
        closer = np.concatenate([distances[kept, 0] < bound, near[:n]]).mean()
        rows.append((rate, *(round(float(number), 4) for number in (copies, closer)), size))
    return pl.DataFrame(rows, schema=["planted", "copies", "closer", "n"], orient="row")


METRICS = (
    Metric("privacy.copies", Direction.LOWER, -1, 1, copy_share),
    Metric("privacy.closer", Direction.REAL, 0, 1, closer_share),
    Metric("privacy.distance_ratio", Direction.REAL, -1, 1, distance_ratio, headline=False),
)
