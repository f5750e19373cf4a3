"""Training mixes: what each arm trains on. Pure functions over tables of examples.

Draws are nested: the first 50 of a seed's real trials are among its first 100, so that arms of
different size differ by what is added and by nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.core.errors import LearningError
from trialforge.core.rng import random_stream
from trialforge.trial.generation_arms import learned_arm

if TYPE_CHECKING:
    from trialforge.learning.params import LabelShares, TrainingArm


@dataclass(frozen=True, slots=True)
class TrainingPool:
    """What arms draw from.

    Attributes:
        real: examples of the training part, with `submitted` (its date).
        synthetic: examples with `generation_arm`, `generation`, `filtered` (kept by validation) and
            `submitted` (the latest date of its exemplars).
        held_back: real examples that nothing before has read, in order of `nct_id`.
        as_drafts: the same trials in the form of a draft.
    """

    real: pl.DataFrame
    synthetic: pl.DataFrame | None = None
    held_back: pl.DataFrame | None = None
    as_drafts: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Draw:
    """Which draw: the run's seed, the number of the repetition, and what holds for all arms.

    Attributes:
        word_dropout: share of words that dropout removes.
        label_shares: the label shares to which added trials are weighted, unless the arm names others.
    """

    seed: int
    repetition: int
    word_dropout: float = 0.2
    label_shares: LabelShares = "real"

    def stream(self, use: str) -> np.random.Generator:
        """Return the random numbers of a use."""
        return random_stream(self.seed, "learning", use, self.repetition)


def compose(arm: TrainingArm, pool: TrainingPool, draw: Draw) -> pl.DataFrame:
    """Return the training examples of an arm, real ones first, with `weight`.

    Real ones weigh 1. What is added weighs 1 on average, and each label in it so much that labels have the
    shares that the arm or the draw names: where drafts are asked for in other shares than real trials have,
    that alone moves scores.

    Raises:
        LearningError: the arm asks for more trials than there are.
    """
    real = _before(pool.real, arm)
    synthetic = _synthetic(arm, pool, draw)
    if arm.synthetic_share is not None:
        size = min(real.height, synthetic.height)
        count = round(arm.synthetic_share * size)
        kept = _take(real, size - count, arm, draw, "real")
        return _join(kept, _take(synthetic, count, arm, draw, "synthetic"), arm, pool, draw)
    kept = _take(real, arm.real_count or round(arm.real * real.height), arm, draw, "real")
    if arm.extra is None:
        return _join(kept, kept.clear(), arm, pool, draw)
    count = arm.extra_count or (
        round(arm.extra_times * kept.height) if arm.extra_times is not None else synthetic.height
    )
    standing = _take(synthetic, count, arm, draw, "synthetic")
    if arm.extra in ("held-back", "held-back-as-drafts"):
        added = _take_held_back(arm, pool, standing.height, draw)
    else:
        added = _EXTRAS[arm.extra](standing, kept, draw)
    return _join(kept, added, arm, pool, draw)


def vocabulary(arm: TrainingArm, pool: TrainingPool) -> pl.Series:
    """Return the texts from which an arm's features are made: all real ones that it may know.

    They are the same in arms with and without added trials, so that repeated texts make no feature of a word
    that one trial has, nor synthetic ones of the language model's own words.
    """
    return _before(pool.real, arm)["text"]


def choose_generation(pool: TrainingPool, repetition: int) -> int | None:
    """Return which generation of synthetic trials a repetition learns from: each in its turn."""
    if pool.synthetic is None or pool.synthetic.is_empty():
        return None
    generations = pool.synthetic["generation"].unique().sort()
    return int(generations[repetition % generations.len()])


def _join(
    kept: pl.DataFrame, added: pl.DataFrame, arm: TrainingArm, pool: TrainingPool, draw: Draw
) -> pl.DataFrame:
    wanted = arm.label_shares or draw.label_shares
    share = 0.5 if wanted == "equal" else float(_before(pool.real, arm)["label"].to_numpy().mean())
    has = float(added["label"].to_numpy().mean()) if added.height else 0.0
    weight = pl.lit(1.0)
    if wanted != "asked" and 0 < has < 1:
        weight = pl.when(pl.col("label") == 1).then(share / has).otherwise((1 - share) / (1 - has))
    return pl.concat([kept.with_columns(weight=pl.lit(1.0)), added.with_columns(weight=weight)])


def _take_held_back(arm: TrainingArm, pool: TrainingPool, count: int, draw: Draw) -> pl.DataFrame:
    """Return as many held-back trials as `count`, or all; both forms of them are those of the same trials."""
    held = pool.held_back if arm.extra == "held-back" else pool.as_drafts
    if held is None:
        raise LearningError(f"arm `{arm.name}` needs held-back real trials and none were given")
    return _take(held, min(count, held.height), arm, draw, "held-back").select(pool.real.columns)


def _before(examples: pl.DataFrame, arm: TrainingArm) -> pl.DataFrame:
    if arm.submitted_before is None:
        return examples
    return examples.filter(pl.col("submitted") < arm.submitted_before)


def _synthetic(arm: TrainingArm, pool: TrainingPool, draw: Draw) -> pl.DataFrame:
    if not arm.uses_synthetic:
        return pool.real.clear()
    if pool.synthetic is None:
        raise LearningError(f"arm `{arm.name}` needs synthetic trials and none were given")
    made = pool.synthetic["generation_arm"].unique().sort().to_list()
    learned = learned_arm(arm.generation_arm, made)
    rows = pool.synthetic.filter(pl.col("generation_arm") == learned)
    if rows.is_empty():
        raise LearningError(
            f"arm `{arm.name}` has no data: no synthetic trial of generation arm `{learned}` "
            f"(there are: {', '.join(made) or 'none'})",
            hint="add it to `plan.arms` in params.yaml, or remove the experiment from "
            "`learning.synthetic_experiments`",
        )
    rows = rows.filter(generation=choose_generation(pool, draw.repetition))
    if arm.filtered:
        rows = rows.filter("filtered")
    return _before(rows, arm).select(pool.real.columns)


def _take(examples: pl.DataFrame, count: int, arm: TrainingArm, draw: Draw, use: str) -> pl.DataFrame:
    if count > examples.height:
        raise LearningError(
            f"arm `{arm.name}` asks for {count} {use} trials and there are {examples.height}",
            hint="lower the arm's count in params.yaml, or generate more",
        )
    if count == examples.height:
        return examples
    order = draw.stream(use).permutation(examples.height)
    return examples[np.sort(order[:count])]


def _keep(standing: pl.DataFrame, kept: pl.DataFrame, draw: Draw) -> pl.DataFrame:  # noqa: ARG001
    return standing


def _shuffle(standing: pl.DataFrame, kept: pl.DataFrame, draw: Draw) -> pl.DataFrame:  # noqa: ARG001
    labels = draw.stream("shuffle").permutation(standing["label"].to_numpy())
    return standing.with_columns(pl.Series("label", labels, dtype=pl.Int64))


def _duplicate(standing: pl.DataFrame, kept: pl.DataFrame, draw: Draw) -> pl.DataFrame:
    """Repeat real trials: as many of each label as the synthetic trials they stand for."""
    stream = draw.stream("duplicate")
    chosen = []
    for label in (0, 1):
        rows = kept.filter(pl.col("label") == label)
        count = standing.filter(pl.col("label") == label).height
        if not rows.height:
            continue
        turns = [stream.permutation(rows.height) for _ in range(-(-count // rows.height))]
        chosen.append(rows[np.concatenate([*turns, np.array([], dtype=np.int64)])[:count].astype(np.int64)])
    copies = pl.concat(chosen) if chosen else kept.clear()
    return copies.with_columns(
        pl.lit("duplicated").alias("origin"),
        pl.concat_str("nct_id", pl.lit("#"), pl.int_range(pl.len()).cast(pl.String)).alias("nct_id"),
    )


def _drop_words(standing: pl.DataFrame, kept: pl.DataFrame, draw: Draw) -> pl.DataFrame:
    """Repeat real trials with words left out at random (word dropout, after EDA, Wei and Zou 2019).

    In one repetition, the first copy of a trial is the same text in every pool, and so is each further one.
    """
    copies = _duplicate(standing, kept, draw).with_columns(pl.lit("word-dropout").alias("origin"))
    listed = copies.select("nct_id", pl.col("text").str.split(" ").alias("word"))
    words = listed.explode("word")
    source = pl.col("nct_id").str.split("#").list.first()
    turns = copies.select(source, turn=pl.int_range(pl.len()).over(source)).rows()
    luck = [
        draw.stream(f"word-dropout {trial} {turn}").random(length)
        for (trial, turn), length in zip(turns, listed["word"].list.len(), strict=True)
    ]
    left = np.concatenate([np.empty(0), *luck]) >= draw.word_dropout
    texts = (
        words.filter(pl.Series(left))
        .group_by("nct_id", maintain_order=True)
        .agg(pl.col("word").str.join(" "))
    )
    return (
        copies.join(texts, on="nct_id", how="left", maintain_order="left")
        .with_columns(pl.col("word").fill_null("").alias("text"))
        .select(copies.columns)
    )


_EXTRAS = {"synthetic": _keep, "shuffled": _shuffle, "duplicated": _duplicate, "word-dropout": _drop_words}
