"""What a pool of blocks trains on: a mix of `learning`, and what is done with the trials that it adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.core.errors import LearningError
from trialforge.core.rng import random_stream
from trialforge.learning.arms import Draw, TrainingPool, compose
from trialforge.learning.linear import LinearModel, fit_average, fit_by_folds, sigmoid
from trialforge.study.features import content_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trialforge.learning.params import LabelShares
    from trialforge.study.features import Features
    from trialforge.study.params import StudyArm

FOLDS = 4
_LIKELIEST = 10.0  # a density ratio above it is cut: one trial must not stand for all


@dataclass(frozen=True, slots=True)
class Fitter:
    """Fits lines on examples of one pool: the mean of all penalties, or the one that folds choose."""

    features: Features
    penalties: Sequence[float]

    def fit(self, mix: pl.DataFrame, *, tuned: bool = False) -> LinearModel:
        """Return the line of examples with `label`, `weight`, `block` and `origin`.

        The mean of all penalties is what arms are compared by: a penalty chosen by the 100 real trials of an
        augmented pool is a worse one than that chosen by the 300 of the learning curve, whatever was added.

        Args:
            mix: the examples.
            tuned: choose one penalty by folds, which hold whole blocks with all that was made from them. Only
                real trials are scored there: what is added may have the labels of a teacher.
        """
        rows = self.features.rows(mix)
        labels, weights = mix["label"].to_numpy(), mix["weight"].to_numpy()
        if not tuned:
            return fit_average(rows, labels, weights, self.penalties)
        folds, scored = block_folds(mix["block"]), (mix["origin"] == "real").to_numpy()
        masks = [(folds != fold, (folds == fold) & scored) for fold in np.unique(folds)]
        return fit_by_folds(rows, labels, weights, masks, self.penalties)

    def chances(self, line: LinearModel, examples: pl.DataFrame) -> NDArray[np.float64]:
        """Return the probability of label 1 of each example."""
        return sigmoid(line.odds(self.features.rows(examples)))


def block_folds(blocks: pl.Series) -> NDArray[np.int64]:
    """Return the fold of each trial: its block's; those of no block and of a lone block are dealt out."""
    places = np.arange(blocks.len())
    known = blocks.drop_nulls().unique(maintain_order=True)
    if known.len() < 2:
        return places % FOLDS
    fold_of = dict(zip(known, range(known.len()), strict=True))
    folds = np.array([fold_of[block] if block is not None else -1 for block in blocks], dtype=np.int64)
    folds = np.where(folds < 0, places, folds)
    return folds % min(known.len(), FOLDS)


def mix_pool(
    arm: StudyArm,
    pool: TrainingPool,
    seed: int,
    order: int,
    *,
    label_shares: LabelShares,
    word_dropout: float,
    teacher: Fitter,
    likeness: Fitter | None = None,
    skeletons: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return the examples of an arm in a pool: those of `compose`, whose added ones are then changed.

    Args:
        arm: what is added, and what is done with it.
        pool: the real trials of some blocks, with what was written from these.
        seed: of the run.
        order: the number of the pool, for draws of its own.
        label_shares: the label shares to which added trials are weighted, as in `learning`.
        word_dropout: share of words that dropout removes, as in `learning`.
        teacher: fits the model of the other kind, whose labels `teacher` and `best` read.
        likeness: tells real from added trials by their `content_view`, for an arm with `density`.
        skeletons: `nct_id` and `text` of what is added, for an arm without `prose`.

    Raises:
        LearningError: an arm asks for more trials, or for skeletons, than there are.
    """
    # Pools share the texts of word dropout: each is embedded once.
    repetition = 0 if arm.extra == "word-dropout" else order
    mix = compose(arm, pool, Draw(seed, repetition, word_dropout, label_shares))
    own = mix.filter(pl.col("origin") == "real")
    added = mix.filter(pl.col("origin") != "real")
    if not arm.prose:
        added = _bare(added, skeletons, arm.name)
    if arm.labels == "permuted":
        added = permute_labels(added, seed, order)
    if added.height and (arm.labels == "teacher" or arm.best is not None):
        chance = _crossed(own, added, teacher, float(own["label"].to_numpy().mean()))
        if arm.best is not None:
            added, chance = _best(added, chance, arm.best)
        if arm.labels == "teacher":
            added = soften(added, chance)
    if added.height and arm.density and likeness is not None:
        added = added.with_columns(weight=pl.col("weight") * pl.Series(_density(own, added, likeness)))
    return pl.concat([own, added])


def _bare(added: pl.DataFrame, skeletons: pl.DataFrame | None, arm: str) -> pl.DataFrame:
    texts = added.select("nct_id").join(
        pl.DataFrame(schema={"nct_id": pl.String, "text": pl.String}) if skeletons is None else skeletons,
        on="nct_id",
        how="left",
        maintain_order="left",
    )["text"]
    if texts.has_nulls():
        raise LearningError(f"arm `{arm}` adds trials that have no skeleton; only synthetic trials have one")
    return added.with_columns(texts)


def permute_labels(added: pl.DataFrame, seed: int, order: int) -> pl.DataFrame:
    """Return trials with the labels of each block permuted among its own."""
    luck = random_stream(seed, "study", "permuted", order).random(added.height)
    lots = added.with_columns(pl.Series("luck", luck))
    return lots.with_columns(pl.col("label", "weight").sort_by("luck").over("block")).drop("luck")


def soften(added: pl.DataFrame, chance: NDArray[np.float64]) -> pl.DataFrame:
    """Return each trial twice, as a success and as a failure, each weighed by its probability."""
    likely = pl.Series(chance)
    return pl.concat(
        [
            added.with_columns(label=pl.lit(1, pl.Int64), weight=pl.col("weight").mean() * likely),
            added.with_columns(label=pl.lit(0, pl.Int64), weight=pl.col("weight").mean() * (1 - likely)),
        ]
    )


def _best(
    added: pl.DataFrame, chance: NDArray[np.float64], share: float
) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    """Return the share of each label whose label is the likeliest, with their chances."""
    scored = added.with_row_index("place").with_columns(
        fit=pl.when(pl.col("label") == 1).then(pl.Series(chance)).otherwise(pl.Series(1 - chance))
    )
    rank = pl.col("fit").rank("ordinal", descending=True).over("label")
    kept = scored.filter(rank <= (pl.len().over("label") * share).ceil())
    return kept.select(added.columns), chance[kept["place"].to_numpy()]


def _crossed(known: pl.DataFrame, added: pl.DataFrame, fitter: Fitter, unknown: float) -> NDArray[np.float64]:
    """Return the chance of label 1 of added trials, each by a model of the known ones of other blocks.

    It is `unknown` where these have but one label to learn from.
    """
    found = np.full(added.height, unknown)
    for block in added["block"].unique(maintain_order=True):
        mine = added["block"].is_null() if block is None else added["block"] == block
        rest = known if block is None else known.filter(pl.col("block").ne_missing(block))
        if rest["label"].n_unique() == 2:
            found[mine.to_numpy()] = fitter.chances(fitter.fit(rest), added.filter(mine))
    return found


def _density(own: pl.DataFrame, added: pl.DataFrame, likeness: Fitter) -> NDArray[np.float64]:
    """Return weights of mean 1: the odds that a trial's content is a real one's, cross-fitted by block."""
    both = pl.concat(
        [own.with_columns(label=pl.lit(1, pl.Int64)), added.with_columns(label=pl.lit(0, pl.Int64))]
    )
    even = content_view(both.with_columns(weight=pl.lit(1.0)))
    chance = _crossed(even, even.tail(added.height), likeness, 0.5)
    ratio = np.minimum(chance / (1 - chance), _LIKELIEST)
    return np.asarray(ratio / ratio.mean())
