"""Are fields of records copied, from the exemplars shown or from train, more than real trials' are?

The yardstick is what held-out real trials share with train, and with train trials that might have been
their exemplars. They are first cut to what records hold: of short lists more stands elsewhere by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from scipy import stats

from trialforge.core.errors import MetricError
from trialforge.core.resampling import percentile_interval
from trialforge.quality.case import Case, Side
from trialforge.quality.memorisation import shown_trials
from trialforge.quality.metric import Direction, Estimate, Metric
from trialforge.quality.one_trial import Sources
from trialforge.trial.controls import CONTROLS
from trialforge.trial.copies import NGRAM, Items, measure_items, number_items
from trialforge.trial.draft_fields import TITLES
from trialforge.trial.words import WORD

WHOLE = "all fields"
MARGIN = 0.03  # an excess of fewer points is none, however many records show it
RANK_MARGIN = 0.15  # of pairs of record and held-out trial: in how many more than half the record has more
# By which score records are counted, what share of held-out trials lies above the bound, and what part of
# LEVEL is for it. Most is for the highest bounds, in which alone few copies among many records show.
TAILS = (
    ("copied", 0.01, 0.2),
    ("weight", 0.01, 0.2),
    ("closest", 0.01, 0.2),
    ("closest", 0.05, 0.1),
    ("amount", 0.05, 0.1),
)
COUNTS = sum(part for *_, part in TAILS)
# Of these the amount does not count: a longer title has more of another, though it is no copy of it.
LEVEL = 0.05  # chance that any field of a set that copies nothing is called copied
MOST = 2000  # validation, held-back or test trials that are read, those of the same interventions first
FEW = 50  # held-out trials of the same interventions are the yardstick where there are as many


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Numbers of the held-out trials whose upper tail, and of those whose mean, records are held against."""

    every: np.ndarray
    same: np.ndarray
    name: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A field of the records beside held-out trials.

    `ours` has `record` and `copied`; `usual` are copied shares of held-out trials of the same interventions
    (or of all, where they are few), `sets` the number of the exemplar set of each record.
    """

    reference: str
    field: str
    yardstick: str
    ours: pl.DataFrame
    usual: np.ndarray
    sets: np.ndarray
    above: float
    by: str
    p_above: float
    p_mean: float


def copied_shares(copies: pl.DataFrame) -> pl.DataFrame:
    """Return `record`, `field`, `copied` and `weight`, and rows for all fields of a record together.

    `copied` is the mean of two shares: that of n-grams that stand in the references, and that of the longest
    run in the words of the field. It is 1 for a field that is copied whole, item by item in its order.
    `weight` is it times the logarithm of the words: a short list may stand elsewhere by chance.
    """
    whole = copies.group_by("record", maintain_order=True).agg(
        pl.lit(WHOLE).alias("field"), pl.col("words", "ngrams", "shared", "longest").sum()
    )
    both = pl.concat([copies, whole], how="diagonal_relaxed")
    copied = (pl.col("shared") / pl.col("ngrams") + pl.col("longest") / pl.col("words")) / 2
    return both.select("record", "field", copied=copied, weight=copied * pl.col("words").log1p())


def measure_shares(
    ours: Items, uncut: Items, pool: Items, sources: Sources, pairs: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return `record`, `field` and the scores of what stands anywhere, and of what in one single trial.

    All items are numbered together, and `sources` are those of `pool`.
    Amounts, unlike shares, would be less of a trial that was cut: those of `uncut` items take their place.
    """
    anywhere = copied_shares(measure_items(ours, pool, pairs))
    of_one, whole = (sources.share_with_one(items, pairs, WHOLE) for items in (ours, uncut))
    found = of_one.join(whole, on=["record", "field"], how="left", suffix="_uncut", maintain_order="left")
    amounts = [pl.coalesce(f"{name}_uncut", name).alias(name) for name in ("amount", "passage")]
    of_one = found.select("record", "field", "closest", *amounts)
    return anywhere.join(of_one, on=["record", "field"], maintain_order="left")


def cut_alike(items: pl.DataFrame, like: pl.DataFrame) -> pl.DataFrame:
    """Return items of real trials, as many and as long as those of records are; fields as `field_items`.

    Each trial takes after the record of its rank by length, field by field: as many items as the record has,
    the first of those that are not longer than the record's longest; where all are, the first one is cut.
    What has fewer words than an n-gram is never cut: it counts as a whole.
    """
    words = pl.col("text").str.count_matches(r"\S+")
    form = (
        pl.len().alias("items"),
        words.max().clip(lower_bound=NGRAM).alias("most"),
        words.sum().alias("n"),
    )
    sides = [
        frame.group_by("field", "record").agg(form).sort("field", "n", "record").with_columns(
            rank=(pl.int_range(pl.len()).over("field") + 0.5) / pl.len().over("field")
        )
        for frame in (items, like)
    ]  # fmt: skip
    forms = sides[0].select("field", "record", "rank").sort("rank").join_asof(
        sides[1].select("field", "rank", "items", "most").sort("rank"), on="rank", by="field",
        strategy="nearest", check_sortedness=False,
    )  # fmt: skip
    taken = items.join(forms, on=["field", "record"], maintain_order="left").drop_nulls("items")
    fits, own = words <= pl.col("most"), ["field", "record"]
    is_first = pl.int_range(pl.len()).over(own) == 0
    kept = taken.filter(fits | (is_first & ~fits.any().over(own)))
    kept = kept.filter(pl.int_range(pl.len()).over(own) < pl.col("items"))
    cut = pl.col("text").str.extract_all(r"\S+").list.head(pl.col("most")).list.join(" ")
    return kept.select("record", "field", text=pl.when(fits).then("text").otherwise(cut))


@lru_cache(maxsize=4)
def compare_copies(case: Case) -> tuple[Compared, ...]:
    """Return each field of the records beside the yardstick, by what it may be copied from.

    Raises:
        MetricError: there is no held-out trial, or no record has any text.
    """
    if not case.candidates.items["text"].str.contains(WORD).any():
        raise MetricError("no record has a text that could be copied")
    of_its_time, newer = (
        [_draw_alike(case, side) for side in sides if side is not None and len(side)]
        for sides in ((case.held_out, case.held_back), (case.unseen,))
    )
    if not of_its_time and not newer:
        raise MetricError("the set has no held-out trials")
    held_out = [*of_its_time, *newer]
    real = pl.concat([side.frame for side in held_out], how="diagonal_relaxed")
    records, train = case.candidates.frame, case.pool.frame
    ours, pool = case.candidates.items, case.pool.items
    starts = np.cumsum([0, *map(len, held_out)])
    moved = [
        side.items.with_columns(pl.col("record") + int(start))
        for side, start in zip(held_out, starts, strict=False)
    ]
    uncut = pl.concat(moved).filter(pl.col("field").is_in(ours["field"].unique().implode()))
    theirs = cut_alike(uncut, ours)
    after = pl.col("record") + len(records)
    both, whole, known = number_items(
        pl.concat([ours, theirs.with_columns(after)]), uncut.with_columns(after), pool
    )
    sources = Sources(known)
    shown = shown_trials(case)
    measured = {"train": measure_shares(both, whole, known, sources)}
    if len(shown):
        most = int(shown.group_by("record").len()["len"].median())  # type: ignore[arg-type]
        like_shown = likely_exemplars(real, train, most, case.scale.stream("copies", "exemplars"))
        pairs = pl.concat([shown, like_shown.with_columns(pl.col("record") + len(records))])
        measured["exemplars"] = measure_shares(both, whole, known, sources, pairs)
    first = sum(map(len, of_its_time or newer))
    yardstick = _choose_yardstick(case, real, first, measured["train"])
    return tuple(
        compared
        for reference, shares in measured.items()
        for compared in _compare_fields(reference, shares, case.candidates.sets, yardstick)
    )


def _draw_alike(case: Case, side: Side) -> Side:
    """Return at most MOST held-out trials: first those of the records' interventions, then any."""
    if len(side) <= MOST:
        return side
    shuffled = case.scale.stream("copies", "held out").permutation(len(side))
    order = np.lexsort((shuffled, ~_same_interventions(case.candidates, side.frame)))
    return side.take(np.sort(order[:MOST]))


def likely_exemplars(
    trials: pl.DataFrame, train: pl.DataFrame, most: int, stream: np.random.Generator
) -> pl.DataFrame:
    """Return `record` and `trial`: `most` train trials for each trial, as a search would show for it.

    Those with an intervention and a condition of the trial come first, then those with an intervention, those
    with a condition, and others; at random among equals.
    """
    sides = [frame.with_row_index("row") for frame in (trials, train)]
    found = []
    for name, weight in (("normalized_interventions", 2), ("conditions", 1)):
        if name not in trials.columns or name not in train.columns:
            continue
        keys = [
            side.select("row", key=name)
            .explode("key")
            .drop_nulls()
            .with_columns(pl.col("key").str.to_lowercase())
            for side in sides
        ]
        pairs = keys[0].filter(~pl.col("key").is_in(CONTROLS)).join(keys[1], on="key", suffix="_trial")
        found.append(pairs.select(record="row", trial="row_trial").unique().with_columns(weight=weight))
    most = min(most, len(train))
    drawn = [stream.choice(len(train), most, replace=False) for _ in range(len(trials))]
    others = pl.DataFrame(
        {"record": np.repeat(np.arange(len(trials)), most), "trial": np.concatenate([[], *drawn])}
    ).select(pl.col("record", "trial").cast(pl.UInt32), weight=0)
    ranked = pl.concat([*found, others]).group_by("record", "trial").agg(pl.col("weight").sum())
    ranked = ranked.sort("record", "trial")
    ranked = ranked.with_columns(order=pl.Series(stream.permutation(len(ranked))))
    best = ranked.sort("record", "weight", "order", descending=[False, True, False])
    return (
        best.group_by("record", maintain_order=True)
        .head(most)
        .select("record", "trial")
        .sort("record", "trial")
    )


def _choose_yardstick(case: Case, real: pl.DataFrame, older: int, shares: pl.DataFrame) -> Yardstick:
    """Return which held-out trials are the yardstick.

    The first ones are `older`: validation and held-back trials, of train's time. Test trials, which may be
    much newer, join them where no rank test tells apart what the two share with train.
    """
    first = len(case.candidates)
    whole = shares.filter(pl.col("field") == WHOLE, pl.col("record") >= first)
    rows, copied = whole["record"].to_numpy() - first, whole["copied"].to_numpy()
    sides = copied[rows < older], copied[rows >= older]
    joined = all(map(len, sides)) and stats.mannwhitneyu(*sides).pvalue >= LEVEL
    every = np.arange(first, first + (len(real) if joined else older))
    same = every[_same_interventions(case.candidates, real)[: len(every)]]
    name = "validation, held-back and test" if joined else "validation and held-back"
    if len(same) >= FEW:
        return Yardstick(every, same, f"{name}, those of the same interventions for the mean")
    return Yardstick(every, every, name)


def _same_interventions(records: Side, real: pl.DataFrame) -> np.ndarray:
    """Return which trials test an intervention that a record tests."""
    name = "normalized_interventions"
    if name not in records.frame.columns or name not in real.columns:
        return np.zeros(len(real), dtype=bool)
    asked = set(records.frame[name].explode().drop_nulls()) - CONTROLS
    lists = real.select(
        pl.col(name).list.eval(pl.element().is_in(list(asked))).list.any().fill_null(value=False)
    )
    return lists.to_series().to_numpy()


def _compare_fields(
    reference: str, shares: pl.DataFrame, owners: np.ndarray, yardstick: Yardstick
) -> Iterator[Compared]:
    ours = shares.filter(pl.col("record") < len(owners))
    for field in ours["field"].unique(maintain_order=True):
        mine = ours.filter(field=field)
        # A field that no real trial has may hold what another field of theirs has.
        for name, place in ((field, ""), (WHOLE, ", in all fields")):
            theirs = shares.filter(pl.col("field") == name)
            every, same = (
                theirs.filter(pl.col("record").is_in(rows.tolist()))
                for rows in (yardstick.every, yardstick.same)
            )
            if len(every):
                usual = same if len(same) else every
                sets = owners[mine["record"].to_numpy()]
                above, p_above, by = count_above(field, mine, every)
                copied, passage = (
                    (mine[by].to_numpy(), usual[by].to_numpy()) for by in ("copied", "passage")
                )
                p_mean = min(compare_means(*copied, sets), compare_ranks(*passage, sets))
                yield Compared(
                    reference, field, yardstick.name + place, mine, copied[1], sets, above, by,
                    p_above, min(1.0, 2 * p_mean),
                )  # fmt: skip
                break


def count_above(field: str, mine: pl.DataFrame, every: pl.DataFrame) -> tuple[float, float, str]:
    """Return the share of records above the bound that shows most, its p-value among TAILS, and its score.

    Where half of the held-out trials have the whole field from train, as with the endpoints of simulated
    trials, the longest texts would lie above the bound, and no record can be told from a copy.
    """
    if every["copied"].median() == 1:
        return 0.0, 1.0, "copied"
    found = []
    for by, tail, part in TAILS:
        if by == "amount" and field in TITLES:
            continue
        above, chance = exceed_tail(mine[by].to_numpy(), every[by].to_numpy(), tail)
        found.append((above, min(1.0, chance * COUNTS / part), by))
    return min(found, key=lambda one: one[1])


def exceed_tail(ours: np.ndarray, real: np.ndarray, tail: float = 0.01) -> tuple[float, float]:
    """Return the share of our values above the upper `tail` of real ones, and the p-value of as many.

    It is 1 where no more than MARGIN beyond the tail lie there. Of n of ours and m real values in one order,
    how many of ours lie above the k-th real one has a negative hypergeometric distribution, whatever the
    distribution of the values. Where many real values are the largest there is, those as large are counted
    (Fisher's exact test).
    """
    n, m = len(ours), len(real)
    rank = max(1, int(tail * m))
    bound = np.sort(real)[-rank]
    above = int((ours > bound).sum())
    if not above:
        above, known = int((ours >= bound).sum()), int((real >= bound).sum())
        chance = stats.hypergeom.sf(above - 1, n + m, above + known, n)
        return above / n, float(chance) if above / n - known / m > MARGIN else 1.0
    # At most rank - 1 real values among the first.
    chance = stats.hypergeom.cdf(rank - 1, n + m, m, above + rank - 1)
    return above / n, float(chance) if above / n - tail > MARGIN else 1.0


def compare_means(ours: np.ndarray, real: np.ndarray, sets: np.ndarray) -> float:
    """Return the p-value of a mean that is no more than MARGIN above that of real trials (Welch's test).

    Records that share their exemplars are no independent ones: the error of our mean is that of set means.
    """
    return _welch(float(ours.mean() - real.mean()) - MARGIN, ours, real, sets)


def compare_ranks(ours: np.ndarray, real: np.ndarray, sets: np.ndarray) -> float:
    """Return the p-value of records that have more than a real trial in .5 + RANK_MARGIN of pairs at most.

    Ties count half; the errors are those of placements (DeLong 1988), ours by exemplar set.
    """
    above, below = _placements(ours, real), 1 - _placements(real, ours)
    fewest = 1 / math.comb(len(np.unique(sets)) + len(real), len(real))  # of all orders of sets and trials
    return max(fewest, _welch(float(above.mean()) - 0.5 - RANK_MARGIN, above, below, sets))


def _placements(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return, for each value, the share of others that are less, those as large half."""
    ordered = np.sort(others)
    sides = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return np.asarray(np.add(*sides) / 2 / max(len(others), 1))


def _welch(excess: float, ours: np.ndarray, real: np.ndarray, sets: np.ndarray) -> float:
    """Return the p-value of an excess of our mean, by the errors of the means of sets and of real values."""
    if excess <= 0 or len(ours) < 2 or len(real) < 2:
        return 1.0
    distinct, place = np.unique(sets, return_inverse=True)
    if len(distinct) < 2:
        distinct, place = np.arange(len(ours)), np.arange(len(ours))
    sums = np.bincount(place, weights=ours - ours.mean())
    groups = len(distinct)
    parts = (
        float((sums**2).sum()) / len(ours) ** 2 * groups / (groups - 1),
        float(real.var(ddof=1)) / len(real),
    )
    error = float(np.sqrt(sum(parts)))
    if not error:
        return 0.0
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (groups - 1) + parts[1] ** 2 / (len(real) - 1))
    return float(stats.t.sf(excess / error, freedom))


def _certain(compared: tuple[Compared, ...]) -> list[bool]:
    """Return which fields are copied for certain: Holm's correction covers all of them and both tests."""
    chances = np.array([min(one.p_above / COUNTS, one.p_mean / (1 - COUNTS)) for one in compared])
    order = np.argsort(chances, kind="stable")
    adjusted = np.maximum.accumulate(chances[order] * np.arange(len(chances), 0, -1))
    found = np.empty(len(chances), dtype=bool)
    found[order] = adjusted <= LEVEL
    return found.tolist()


def _excess(one: Compared, case: Case) -> Estimate:
    """Return the mean copied share of a field minus that of the yardstick; its interval draws sets."""
    ours, real = one.ours["copied"].to_numpy(), one.usual
    _, place = np.unique(one.sets, return_inverse=True)
    value = float(ours.mean() - real.mean())
    if not place.any():
        place = np.arange(len(ours))
    sums, sizes = np.bincount(place, weights=ours), np.bincount(place)
    if len(sums) < 2:
        return Estimate(value, n=len(ours))
    stream, draws = case.scale.stream("copies", one.reference, one.field), case.params.bootstrap
    sets = stream.integers(0, len(sums), (draws, len(sums)))
    drawn = sums[sets].sum(axis=1) / sizes[sets].sum(axis=1)
    drawn = drawn - real[stream.integers(0, len(real), (draws, len(real)))].mean(axis=1)
    return Estimate(value, *percentile_interval(drawn), len(ours))


def largest_excess(case: Case) -> Estimate:
    """Largest mean copied share of a field above that of held-out trials, by exemplars shown and by train.

    A share is the mean of two: n-grams of 8 words that stand in the references, and the longest run in the
    words of the field. The interval is of that field alone.
    """
    return max((_excess(one, case) for one in compare_copies(case)), key=lambda found: found.value)


def copied_fields(case: Case) -> Estimate:
    """Number of fields that are copied more than held-out trials share by chance; 0 is best.

    Either the mean is too high: the copied share is more than .03 above that of held-out trials (Welch's
    test, by exemplar set), or the passage from one trial is larger in more than .65 of pairs (DeLong).
    Or too many records, by more than .03, lie above the 99th or the 95th percentile of held-out trials (exact
    test of ranks) by the copied share, by the rare words that one trial has, or by its rare n-grams. Holm's
    correction covers all fields, what was shown and all of train: at most 5% of sets that copy nothing have
    one.
    """
    certain = _certain(compare_copies(case))
    return Estimate(float(sum(certain)), n=len(certain))


def copies_table(case: Case) -> pl.DataFrame:
    """Return copied shares by reference and field beside the yardstick, and whether it is copied for certain.

    Columns: `reference`, `field`, `records`, `copied` and `real` (mean copied shares), `excess`, `low` and
    `high` (95% interval), `above` (share of records above a percentile of held-out ones, see TAILS) and `by`
    (the score that shows most of it: `copied`; `weight`, the copied share of long fields; `closest`, the rare
    words that one trial has; `amount`, its rare n-grams), `p_mean` and `p_above` (before Holm's correction),
    `certain`, `yardstick` (which trials), and `trials`, their number.
    """
    compared = compare_copies(case)
    rows = []
    for one, certain in zip(compared, _certain(compared), strict=True):
        excess = _excess(one, case)
        usual = float(one.usual.mean())
        numbers = (usual + excess.value, usual, excess.value, excess.low, excess.high, one.above)
        chances = (float(f"{chance:.3g}") for chance in (one.p_mean, one.p_above))
        rounded = (None if number is None else round(number, 4) for number in numbers)
        trials = one.yardstick, len(one.usual)
        rows.append((one.reference, one.field, len(one.ours), *rounded, one.by, *chances, certain, *trials))
    names = [
        "reference", "field", "records", "copied", "real", "excess", "low", "high", "above", "by", "p_mean",
        "p_above", "certain", "yardstick", "trials",
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=names, orient="row")


def worst_copies(case: Case, most: int = 3) -> list[str]:
    """Return the fields that are copied for certain, each with the records that copy most of it."""
    try:
        compared = compare_copies(case)
    except MetricError:
        return []
    ids = case.candidates.frame["nct_id"]
    found = []
    for one, certain in zip(compared, _certain(compared), strict=True):
        if certain:
            worst = one.ours.sort("copied", "record", descending=[True, False]).head(most)
            named = [
                f"{ids[row]} {copied:.0%}" for row, copied in worst.select("record", "copied").iter_rows()
            ]
            found.append(f"{one.field}, of {one.reference}: {', '.join(named)}")
    return found


METRICS = (
    Metric("copies.largest_excess", Direction.LOWER, -1, 1, largest_excess),
    Metric("copies.fields", Direction.LOWER, 0, float("inf"), copied_fields),
)
