"""Writers whose worth is known, on the simulated corpus: by them the study shows that it can be believed.

Trials are drawn from the true model and parted into blocks. Some blocks are the real trials; two others stand
ready for each of them, as what a writer who knows the truth would write. So real and written trials differ in
nothing, and one of them is worth just one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from trialforge.core.rng import random_stream
from trialforge.learning.arms import TrainingPool
from trialforge.learning.examples import make_examples
from trialforge.simulation.corpus import simulate
from trialforge.split.blocks import assign_blocks
from trialforge.split.params import BlockParams
from trialforge.study.arms import permute_labels
from trialforge.study.params import StudyArm
from trialforge.study.study import Corpus
from trialforge.trial.controls import cluster_key
from trialforge.trial.leakage import registration_view

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES = 2  # written trials of a block, as a multiple of its real ones
_COLUMNS = ("nct_id", "origin", "text", "label", "block")


def known_corpus(*, blocks: int, size: int, tests: int, fields: Sequence[str], seed: int) -> Corpus:
    """Return a simulated corpus whose synthetic trials are those of each of `WRITERS`, as generation arms.

    Args:
        blocks: of real trials.
        size: trials of a block; a writer writes twice as many.
        tests: trials that are scored.
        fields: the fields that become text.
        seed: of all draws.
    """
    wanted = blocks * (1 + TIMES)
    trials = _labelled(wanted * size + wanted, seed)
    assigned = assign_blocks(trials, BlockParams(size=size, most=wanted), 0.8, seed)
    examples = make_examples(trials, fields).join(assigned, on="nct_id").select(_COLUMNS)
    real = examples.filter(pl.col("block") < blocks)
    spare = examples.filter(pl.col("block") >= blocks).with_columns(block=pl.col("block") % blocks)
    written = [
        write(real, spare, seed).with_columns(
            pl.concat_str(pl.lit(f"{name}-"), "nct_id").alias("nct_id"),
            pl.lit("synthetic").alias("origin"),
            pl.lit(name).alias("generation_arm"),
            pl.lit(0).alias("generation"),
            pl.lit(value=True).alias("filtered"),
        )
        for name, write in WRITERS.items()
    ]
    later = _labelled(tests, seed + 1)
    test = make_examples(later, fields)
    clusters = test.join(later.select("nct_id", cluster_key()), on="nct_id", maintain_order="left")["cluster"]
    return Corpus(TrainingPool(real, pl.concat(written)), test, clusters.to_numpy())


def _labelled(count: int, seed: int) -> pl.DataFrame:
    trials = simulate(count, seed)
    return registration_view(trials).with_columns(
        label=(trials["status"] == "Completed").cast(pl.Int8),
        normalized_interventions=trials["intervention_mesh"],
    )


def _write_true(real: pl.DataFrame, spare: pl.DataFrame, seed: int) -> pl.DataFrame:  # noqa: ARG001
    return spare


def _write_permuted(real: pl.DataFrame, spare: pl.DataFrame, seed: int) -> pl.DataFrame:  # noqa: ARG001
    return permute_labels(spare.with_columns(weight=pl.lit(1.0)), seed, 0).drop("weight")


def _write_copies(real: pl.DataFrame, spare: pl.DataFrame, seed: int) -> pl.DataFrame:  # noqa: ARG001
    copies = [real.with_columns(pl.col("nct_id") + f"#{number}") for number in range(TIMES)]
    return pl.concat(copies)


def _write_mistaken(real: pl.DataFrame, spare: pl.DataFrame, seed: int) -> pl.DataFrame:  # noqa: ARG001
    wrong = random_stream(seed, "study", "mistaken").random(spare.height) < 0.3
    return spare.with_columns(label=pl.when(pl.Series(wrong)).then(1 - pl.col("label")).otherwise("label"))


WRITERS: dict[str, Callable[[pl.DataFrame, pl.DataFrame, int], pl.DataFrame]] = {
    "true": _write_true,
    "permuted": _write_permuted,
    "copies": _write_copies,
    "mistaken": _write_mistaken,
}
WRITER_ARMS = tuple(StudyArm(name=name, extra="synthetic", generation_arm=name) for name in WRITERS)
