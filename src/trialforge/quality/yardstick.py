"""What is the best and the worst a set could score? Real held-out trials, and trials of random words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from trialforge.core.errors import MetricError
from trialforge.quality.case import Case, Side
from trialforge.quality.metric import Estimate, Metric
from trialforge.trial.words import split_words

ERA_YEARS = 5
_ERA = (pl.col("first_submitted").dt.year() // ERA_YEARS).cast(pl.String).fill_null("?")
_PHASE = pl.col("phase").fill_null("?")
_SPONSOR = pl.col("sponsor_class").fill_null("?")
# From the closest match to none; each is tried for the trials that no closer one could match.
LEVELS: dict[str, list[pl.Expr]] = {
    "era, phase and sponsor class": [_ERA, _PHASE, _SPONSOR],
    "phase and sponsor class": [_PHASE, _SPONSOR],
    "phase": [_PHASE],
    "unmatched": [],
}
LEAST_HELD_OUT = 1000


@dataclass(frozen=True, slots=True)
class Matched:
    """Held-out trials and as many train trials of the same strata; `levels` counts how each was matched."""

    held_out: Side
    train: Side
    levels: dict[str, int]


@lru_cache(maxsize=4)
def match_held_out(case: Case) -> Matched:
    """Return held-out trials paired with train trials of like era, phase and sponsor class.

    Each train trial is used once; a trial without a partner at any level, which is so only where train
    is the smaller set, is left out. Of many held-out trials as many are drawn as there are records, or
    LEAST_HELD_OUT: measures of diversity depend on the size of a set.

    Raises:
        MetricError: there is no held-out set.
    """
    if case.held_out is None or not len(case.held_out):
        raise MetricError(
            "there is no held-out trial to set the ceiling", hint="raise `split.validation_size`"
        )
    most = max(len(case.candidates), LEAST_HELD_OUT)
    held_out = case.held_out.draw(most, case.scale.stream("yardstick", "held out"))
    pairs, levels = match_trials(held_out, case.reference, LEVELS, case.scale.stream("yardstick", "match"))
    return Matched(held_out.take(pairs[:, 0]), case.reference.take(np.sort(pairs[:, 1])), levels)


def match_trials(
    side: Side, pool: Side, levels: Mapping[str, Sequence[pl.Expr]], stream: np.random.Generator
) -> tuple[np.ndarray, dict[str, int]]:
    """Return pairs of row numbers (n, 2), each trial of a side with one of a pool, and how many by level.

    A level names what both have in common; it is tried for the trials that no earlier one matched. Each
    trial of the pool is used once.
    """
    free = list(stream.permutation(len(pool)))
    waiting = list(range(len(side)))
    pairs: list[tuple[int, int]] = []
    counts = {}
    for level, keys in levels.items():
        pool_keys, side_keys = (_strata(one, keys) for one in (pool, side))
        by_key: dict[str, list[int]] = {}
        for place in free:
            by_key.setdefault(pool_keys[place], []).append(place)
        found = [(place, by_key[side_keys[place]].pop()) for place in waiting if by_key.get(side_keys[place])]
        pairs += found
        counts[level] = len(found)
        waiting = sorted(set(waiting) - {one for one, _ in found})
        used = {other for _, other in found}
        free = [place for place in free if place not in used]
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2), counts


def matching_table(case: Case) -> pl.DataFrame:
    """Return `matched_by` and `trials`: how many held-out trials each level gave a partner, closest first."""
    levels = match_held_out(case).levels
    return pl.DataFrame({"matched_by": list(levels), "trials": list(levels.values())})


def _strata(side: Side, keys: Sequence[pl.Expr]) -> list[str]:
    if not keys:
        return [""] * len(side)
    return (
        side.frame.with_columns(side.interventions)
        .select(pl.concat_str(keys, separator="|").alias("key"))["key"]
        .to_list()
    )


def random_trials(side: Side, n: int, stream: np.random.Generator) -> Side:
    """Return `n` trials that know nothing: every value and every word is drawn alone and evenly."""
    frame = side.frame
    picks = {name: stream.integers(0, len(frame), n) for name in frame.columns}
    columns = [_even_values(frame[name], places) for name, places in picks.items()]
    drawn = pl.DataFrame(columns)
    vocabulary = split_words(side.texts).explode(empty_as_null=False).unique().sort().to_numpy()
    scrambled = Side(drawn, side.scale)
    lengths = split_words(side.texts).list.len().gather(stream.integers(0, len(frame), n))
    texts = [" ".join(vocabulary[stream.integers(0, len(vocabulary), length)]) for length in lengths]
    scrambled.__dict__["texts"] = pl.Series("text", texts, dtype=pl.String)
    return scrambled


def _even_values(column: pl.Series, places: np.ndarray) -> pl.Series:
    """Return values drawn evenly from the different ones, not as often as they occur; lists as they are."""
    if isinstance(column.dtype, pl.List | pl.Struct):
        return column.gather(places)
    values = column.unique().sort()
    return values.gather(places % len(values))


def compare_yardsticks(
    case: Case, metrics: dict[str, Metric], done: Callable[[str], None] = lambda _metric: None
) -> pl.DataFrame:
    """Return each measure of the set between its worst and its ceiling, all at one size.

    Columns: `metric`, `direction`, `value`, `low`, `high` (the whole set against all of train), `at_size`
    (as many records as the ceiling has, against the same matched train), `ceiling`, `worst`, `ratio` of
    `at_size` to `ceiling`, `n`, `ceiling_n`, and `note`: why a measure has no value.
    `done` hears the name of each measure.
    """
    matched = match_held_out(case)
    size = len(matched.held_out)
    stream = case.scale.stream("yardstick", "draw")
    level = case.with_candidates(case.candidates.draw(size, stream), matched.train)
    ceiling = case.with_candidates(matched.held_out, matched.train)
    worst = case.with_candidates(
        random_trials(case.reference, size, case.scale.stream("yardstick", "random")), matched.train
    )
    rows = []
    for metric in metrics.values():
        try:
            whole = metric.measure(case)
        except MetricError as error:
            rows.append(_row(metric, None, [], note=str(error).split("\n")[0]))
        else:
            others = [_try(metric, other) for other in (level, ceiling, worst)] if metric.yardstick else []
            rows.append(_row(metric, whole, others, ceiling_n=size if metric.yardstick else None))
        done(metric.name)
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


_SCHEMA = {
    "metric": pl.String, "direction": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64,
    "at_size": pl.Float64, "ceiling": pl.Float64, "worst": pl.Float64, "ratio": pl.Float64,
    "n": pl.Int64, "ceiling_n": pl.Int64, "note": pl.String,
}  # fmt: skip


def _try(metric: Metric, case: Case) -> float | None:
    """Return a yardstick, or None where so few trials can't be measured."""
    try:
        return metric.measure(case).value
    except MetricError:
        return None


def _row(
    metric: Metric,
    whole: Estimate | None,
    others: list[float | None],
    ceiling_n: int | None = None,
    note: str | None = None,
) -> tuple[object, ...]:
    level, ceiling, worst = others or [None] * 3
    ratio = level / ceiling if level is not None and ceiling else None
    interval = [whole.value, whole.low, whole.high] if whole else [None] * 3
    rounded = [
        None if number is None else round(number, 4) for number in (*interval, level, ceiling, worst, ratio)
    ]
    return (metric.name, str(metric.direction), *rounded, whole.n if whole else 0, ceiling_n, note)
