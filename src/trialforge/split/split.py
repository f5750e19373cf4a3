"""Who may learn and who is asked: trials in parts that share no trial, near-duplicate or group.

`official`: as TOP's tables say; without a test table, its validation trials are the test, and validation is
drawn from train. `temporal`: every train and validation trial ended before the first test trial started.
`intervention`: no intervention in two parts. `random`: at random. In each, near-duplicates stay together or
those outside the part that is held out most are dropped. The exemplar pool is train alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from functools import partial

import numpy as np
import polars as pl

from trialforge.core.errors import ArtifactError, ParameterError
from trialforge.core.pieces import map_in_order
from trialforge.core.progress import QUIET_SECONDS, Progress
from trialforge.core.rng import random_stream
from trialforge.split.params import SplitParams
from trialforge.split.presence import drop_fields
from trialforge.trial.canonical import canonical
from trialforge.trial.controls import CONTROLS
from trialforge.trial.leakage import view_and_count

PARTS = ("train", "validation", "test")
HELD_BACK = "held-back"
SPLIT_SCHEMA: dict[str, pl.DataType] = dict.fromkeys(("nct_id", "part", "group", "reason"), pl.String())
_FINAL = ("Completed", "Terminated", "Withdrawn")
_TRIES = 32
# What the strategies read of trials: texts stay where they are.
_READ = (
    "nct_id", "status", "start_date", "completion_date", "primary_completion_date", "last_updated",
    "normalized_interventions", "official_part",
)  # fmt: skip
SLICE = 8192  # trials that are made into views together


def split_trials(trials: pl.DataFrame, groups: pl.DataFrame, params: SplitParams, seed: int) -> pl.DataFrame:
    """Return SPLIT_SCHEMA, one row a trial in the order of `trials`; `dropped` trials have a reason.

    Args:
        trials: what ingest wrote.
        groups: `nct_id` and `group`; trials of one group are near-duplicates.
        params: the strategy and the sizes.
        seed: of the draws.

    Raises:
        ParameterError: the corpus can't be split so: no dates, no official part, or too few trials.
    """
    grouped = trials.select(name for name in _READ if name in trials.columns).join(
        groups, on="nct_id", how="left", maintain_order="left"
    )
    if params.strategy == "temporal":
        parted = split_temporal(grouped, params)
    elif params.strategy == "official":
        parted = split_official(grouped, params, seed)
    elif params.strategy == "intervention":
        parted = split_intervention(grouped, params, seed)
    else:
        parted = split_random(grouped, params, seed)
    settled = settle_groups(parted)
    sizes = dict(settled["part"].value_counts().iter_rows())
    empty = [part for part in PARTS if not sizes.get(part)]
    if empty:
        raise ParameterError(
            f"`split.strategy: {params.strategy}` leaves no trials for {', '.join(empty)}; sizes are {sizes}",
            hint="change split.test_size, split.test_from or split.validation_size, or use another strategy",
        )
    return settled.select(SPLIT_SCHEMA.keys())


def date_trials(trials: pl.DataFrame) -> pl.DataFrame:
    """Return `nct_id`, `start` and `end`; a finished trial without an end ended before its last update."""
    finished = pl.when(pl.col("status").is_in(_FINAL)).then("last_updated")
    end = pl.coalesce("completion_date", "primary_completion_date", finished)
    return trials.select(
        "nct_id",
        start="start_date",
        end=pl.max_horizontal(end, pl.when(end.is_not_null()).then("start_date")),
    )


def choose_cut(dates: pl.DataFrame, test_size: float) -> date:
    """Return the start date from which on trials are test: their share of what is kept is near `test_size`.

    Raises:
        ParameterError: no trial has a start date.
    """
    cuts = dates["start"].drop_nulls().unique().sort()
    if cuts.is_empty():
        raise ParameterError("`split.strategy: temporal` needs start dates, but no trial has one")
    starts = dates["start"].drop_nulls().sort().to_numpy()
    ends = dates["end"].drop_nulls().sort().to_numpy()
    test = starts.size - np.searchsorted(starts, cuts.to_numpy(), "left")
    train = np.searchsorted(ends, cuts.to_numpy(), "left")
    chosen: date = cuts[int(np.argmin(np.abs(test / (test + train) - test_size)))]
    return chosen


def split_temporal(trials: pl.DataFrame, params: SplitParams) -> pl.DataFrame:
    """Return `nct_id`, `part`, `group` and `reason`; validation is the newest of train."""
    dates = date_trials(trials)
    cut = params.test_from or choose_cut(dates, params.test_size)
    start, end = pl.col("start"), pl.col("end")
    reason = (
        pl.when((start >= cut).fill_null(value=False) | (end < cut).fill_null(value=False))
        .then(None)
        .when(end.is_null())
        .then(pl.lit("no date of end"))
        .when(start.is_null())
        .then(pl.lit("no date of start"))
        .otherwise(pl.lit("straddles the cut"))
    )
    part = pl.when(start >= cut).then(pl.lit("test")).otherwise(pl.lit("train"))
    parted = dates.with_columns(trials["group"], reason=reason, part=part)
    before = parted.filter(pl.col("reason").is_null(), part="train").sort("end", "nct_id")
    newest = before.tail(round(before.height * params.validation_size)).select(
        "nct_id", newest=pl.lit(value=True)
    )
    marked = parted.join(newest, on="nct_id", how="left", maintain_order="left")
    return marked.with_columns(
        part=pl.when(pl.col("reason").is_not_null())
        .then(pl.lit("dropped"))
        .when("newest")
        .then(pl.lit("validation"))
        .otherwise("part")
    )


def split_official(trials: pl.DataFrame, params: SplitParams, seed: int) -> pl.DataFrame:
    """Return `nct_id`, `part`, `group` and `reason` as the column `official_part` says.

    Raises:
        ParameterError: no trial has an official part.
    """
    if "official_part" not in trials.columns or trials["official_part"].null_count() == trials.height:
        raise ParameterError(
            "`split.strategy: official` needs TOP tables, but no trial is in one",
            hint="name them in ingest.top_path; their names end in _train, _valid and _test",
        )
    official = trials.select("nct_id", "group", part=pl.col("official_part"))
    if not (official["part"] == "test").any():
        official = official.with_columns(part=pl.col("part").replace({"validation": "test"}))
    if not (official["part"] == "validation").any():
        train = official.filter(part="train")
        shares = (1 - params.validation_size, params.validation_size)
        drawn = _deal_groups(train, ("train", "validation"), shares, seed)
        official = official.join(drawn, on="nct_id", how="left", maintain_order="left").with_columns(
            part=pl.coalesce("dealt", "part")
        )
    outside = pl.col("part").is_null()
    return official.with_columns(
        reason=pl.when(outside).then(pl.lit("in no official table")), part=pl.col("part").fill_null("dropped")
    )


def split_random(trials: pl.DataFrame, params: SplitParams, seed: int) -> pl.DataFrame:
    """Return `nct_id`, `part`, `group` and `reason`: groups in random order fill the parts."""
    test, validation = params.test_size, (1 - params.test_size) * params.validation_size
    shares = (1 - test - validation, validation, test)
    dealt = trials.join(
        _deal_groups(trials, PARTS, shares, seed), on="nct_id", how="left", maintain_order="left"
    )
    return dealt.select("nct_id", "group", part="dealt", reason=pl.lit(None, dtype=pl.String))


def split_intervention(trials: pl.DataFrame, params: SplitParams, seed: int) -> pl.DataFrame:
    """Return `nct_id`, `part`, `group` and `reason`: interventions in random order fill the parts.

    A trial is in a part with all its interventions (controls such as placebo aside) or is dropped. Of
    several orders the one that drops the fewest trials is taken.
    """
    tested = pl.col("normalized_interventions").list.eval(pl.element().filter(~pl.element().is_in(CONTROLS)))
    none = pl.concat_list(pl.format("only {}", "nct_id"))
    listed = trials.select("group", name=pl.when(tested.list.len() > 0).then(tested).otherwise(none))
    named = listed.explode("name").unique()
    names = named["name"].unique().sort()
    best = pl.DataFrame()
    for number in range(_TRIES):
        order = random_stream(seed, "split-intervention", number).permutation(names.len())
        ranks = named.join(pl.DataFrame({"name": names, "rank": order}), on="name")
        spans = ranks.group_by("group").agg(low=pl.col("rank").min(), high=pl.col("rank").max())
        dealt = _deal_spans(trials.select("nct_id", "group").join(spans, on="group", how="left"), params)
        if best.is_empty() or dealt["part"].null_count() < best["part"].null_count():
            best = dealt
    joined = trials.select("nct_id", "group").join(
        best.select("nct_id", "part"), on="nct_id", maintain_order="left"
    )
    return joined.with_columns(
        reason=pl.when(pl.col("part").is_null()).then(pl.lit("interventions of two parts")),
        part=pl.col("part").fill_null("dropped"),
    )


def settle_groups(parted: pl.DataFrame) -> pl.DataFrame:
    """Return the parts with each group in one part: of several the one held out most, the rest dropped."""
    level = pl.col("part").replace_strict({part: rank for rank, part in enumerate(PARTS)}, default=-1)
    outvoted = (level >= 0) & (level < level.max().over("group"))
    return parted.with_columns(
        part=pl.when(outvoted).then(pl.lit("dropped")).otherwise("part"),
        reason=pl.when(outvoted).then(pl.lit("near-duplicate of a held-out trial")).otherwise("reason"),
    )


def hold_back(split: pl.DataFrame, trials: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """Return the split with `share` of its labelled train trials in the part `held-back`, drawn at random.

    Nothing but the positive controls of `train` reads them: neither index nor plan, prompts nor other arms.
    So they tell what as many more real trials would have been worth. Near-duplicates are drawn together.
    """
    train = split.filter(part="train").join(trials.select("nct_id", "label"), on="nct_id", how="left")
    groups = train.group_by("group").agg(pl.len(), labelled=pl.col("label").is_not_null().all()).sort("group")
    whole = groups.filter("labelled")
    shuffled = whole[random_stream(seed, "held-back").permutation(whole.height)]
    drawn = shuffled.filter(pl.col("len").cum_sum() <= share * train["label"].count())["group"]
    mine = (pl.col("part") == "train") & pl.col("group").is_in(drawn.to_list())
    return split.with_columns(part=pl.when(mine).then(pl.lit(HELD_BACK)).otherwise("part"))


def view_part(
    trials: pl.DataFrame, split: pl.DataFrame, part: str, telling: list[str]
) -> tuple[pl.DataFrame, dict[str, dict[str, int]]]:
    """Return the registration view of a part with its labels, and what was cut from it, by rule.

    No trial fills the fields `telling`.
    """
    chosen = split.filter(pl.col("part") == part)["nct_id"]
    mine = trials["nct_id"].is_in(chosen.implode())
    # Of each stretch of trials, whose texts stay where they are, about SLICE are of the part.
    stretch = max(1, SLICE * trials.height // max(1, chosen.len()))
    slices = (
        trials.slice(start, stretch).filter(mine.slice(start, stretch))
        for start in range(0, trials.height, stretch)
    )
    viewed = [_view(telling, trials.clear())]
    with Progress(f"trials of {part}", chosen.len(), quiet_seconds=QUIET_SECONDS) as progress:
        for view in map_in_order(partial(_view, telling), slices):
            viewed.append(view)
            progress.advance(view[0].height)
    return pl.concat(view for view, _ in viewed), sum_cuts(cuts for _, cuts in viewed)


def sum_cuts(cuts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Return the sums of what `view_and_count` counted in several sets of trials."""
    sums: dict[str, Counter[str]] = {}
    for counted in cuts:
        for name, by_rule in counted.items():
            sums.setdefault(name, Counter()).update(by_rule)
    return {name: dict(by_rule) for name, by_rule in sums.items()}


def _view(telling: list[str], trials: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, dict[str, int]]]:
    view, cuts = view_and_count(trials)
    tidy = canonical(view.drop("official_part", strict=False))
    return drop_fields(tidy, telling).with_columns(trials["label"]), cuts


def check_split(
    trials: pl.DataFrame, split: pl.DataFrame, pairs: list[tuple[str, str]], strategy: str
) -> None:
    """Check that no trial, near-duplicate or group is in two parts, and what the strategy promises.

    Raises:
        ArtifactError: something crosses; the message names it.
    """
    kept = split.filter(pl.col("part").is_in(PARTS))
    _refuse("trial", split.group_by("nct_id").len().filter(pl.col("len") > 1)["nct_id"])
    missing = trials.join(split, on="nct_id", how="anti")["nct_id"]
    if missing.len():
        raise ArtifactError(f"the split misses trial {missing[0]} and {missing.len() - 1} more")
    _refuse("group", _crossing(kept, "group"))
    part_of = dict(kept.select("nct_id", "part").iter_rows())
    crossed = [
        f"{one} and {other}"
        for one, other in pairs
        if one in part_of and other in part_of and part_of[one] != part_of[other]
    ]
    _refuse("near-duplicate", pl.Series(crossed, dtype=pl.String))
    if strategy == "intervention":
        named = kept.join(trials.select("nct_id", name="normalized_interventions"), on="nct_id").explode(
            "name"
        )
        _refuse("intervention", _crossing(named.filter(~pl.col("name").is_in(CONTROLS)), "name"))
    if strategy == "temporal":
        dates = kept.join(date_trials(trials), on="nct_id")
        first: date = dates.filter(part="test")["start"].min()  # type: ignore[assignment]
        late = dates.filter(pl.col("part") != "test", pl.col("end") >= first)["nct_id"]
        _refuse(f"date: a test trial starts on {first}, before the end of", late)


def _deal_groups(
    trials: pl.DataFrame, parts: tuple[str, ...], shares: tuple[float, ...], seed: int
) -> pl.DataFrame:
    """Return `nct_id` and `dealt`: groups in random order, each to the part whose share it falls into."""
    sizes = trials.group_by("group").len().sort("group")
    order = random_stream(seed, "split-groups").permutation(sizes.height)
    lot = sizes[order]
    middle = (lot["len"].cum_sum() - lot["len"] / 2).to_numpy() / trials.height
    places = np.searchsorted(np.cumsum(shares)[:-1], middle)
    dealt = lot.with_columns(dealt=pl.Series([parts[place] for place in places], dtype=pl.String))
    return trials.select("nct_id", "group").join(dealt, on="group").select("nct_id", "dealt")


def _deal_spans(spans: pl.DataFrame, params: SplitParams) -> pl.DataFrame:
    """Return the spans (`low` to `high` rank) with their part; null where a span lies on a border."""
    low, high = spans["low"].to_numpy(), spans["high"].to_numpy()
    test_end = _border(low, high, params.test_size)
    rest = low > test_end
    validation_end = _border(low[rest], high[rest], params.validation_size)
    part = (
        pl.when(pl.col("high") <= test_end)
        .then(pl.lit("test"))
        .when(pl.col("low") > test_end, pl.col("high") <= validation_end)
        .then(pl.lit("validation"))
        .when(pl.col("low") > max(test_end, validation_end))
        .then(pl.lit("train"))
    )
    return spans.with_columns(part=part)


def _border(low: np.ndarray, high: np.ndarray, share: float) -> int:
    """Return the rank up to which spans belong to a part that gets `share` of those that stay whole."""
    if not low.size:
        return -1
    ranks = np.unique(high)
    inside = np.searchsorted(np.sort(high), ranks, "right")
    outside = low.size - np.searchsorted(np.sort(low), ranks, "right")
    return int(ranks[np.argmin(np.abs(inside / (inside + outside) - share))])


def _crossing(frame: pl.DataFrame, key: str) -> pl.Series:
    return frame.group_by(key).agg(pl.col("part").n_unique()).filter(pl.col("part") > 1)[key].sort()


def _refuse(what: str, found: pl.Series) -> None:
    if found.len():
        raise ArtifactError(f"parts of the split overlap: {what} {found[0]} and {found.len() - 1} more")
