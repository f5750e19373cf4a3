"""One experiment by one model: all its arms and repetitions, checked first, then trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from trialforge.core.progress import Progress
from trialforge.core.rng import derive_seed
from trialforge.learning.arms import Draw, choose_generation, compose, vocabulary
from trialforge.learning.cells import CELL_STORE, Cell, score_cell
from trialforge.learning.checks import check_both_classes
from trialforge.learning.classifier import Task
from trialforge.learning.factory import make_classifier, model_settings
from trialforge.learning.modelcard import write_card
from trialforge.learning.predictions import PREDICTION_SCHEMA, check_scores

if TYPE_CHECKING:
    from trialforge.learning.params import Arm, LearningParams
    from trialforge.learning.tables import Tables


@dataclass(frozen=True, slots=True)
class Training:
    """What to train: experiment `item` by `model`, and where models and finished cells are kept."""

    params: LearningParams
    item: str
    model: str
    seed: int
    models: Path
    store: Path = CELL_STORE


def train_item(training: Training, tables: Tables) -> pl.DataFrame:
    """Return the predictions of an experiment by one model; the first repetition's models are kept.

    Raises:
        LearningError: an arm has no data or one class, or an encoder is absent; nothing was trained.
    """
    params = training.params
    arms = params.arms_of(training.item)
    turns = [(arm, repetition) for arm in arms for repetition in range(params.seeds)]
    mixes = [_mix(arm, repetition, training, tables) for arm, repetition in turns]
    make_classifier(training.model, params.classifiers)

    training.models.mkdir(parents=True, exist_ok=True)
    frames = []
    with Progress(f"train {training.item}, {training.model}", len(turns)) as progress:
        for (arm, repetition), mix in zip(turns, mixes, strict=True):
            scores = _untrained(tables) if mix is None else _trained(arm, repetition, mix, training, tables)
            generation = choose_generation(tables.pool, repetition) if arm.learns_synthetic else None
            frames.append(
                scores.with_columns(
                    pl.lit(generation, dtype=pl.Int64).alias("generation"),
                    pl.lit(_added(mix), dtype=pl.Int64).alias("added"),
                    pl.lit(training.item).alias("experiment"),
                    pl.lit(arm.name).alias("arm"),
                    pl.lit(training.model).alias("model"),
                    pl.lit(repetition, dtype=pl.Int64).alias("seed"),
                )
            )
            progress.advance(note=f"arm {arm.name}, seed {repetition}")
    return check_scores(pl.concat(frames).select(*PREDICTION_SCHEMA), training.item)


def _mix(arm: Arm, repetition: int, training: Training, tables: Tables) -> pl.DataFrame | None:
    if arm.untrained:
        return None
    draw = Draw(training.seed, repetition, training.params.word_dropout, training.params.label_shares)
    mix = compose(arm, tables.pool, draw).drop("submitted")
    check_both_classes(mix, f"arm `{arm.name}`")
    return mix


def _added(mix: pl.DataFrame | None) -> int:
    return 0 if mix is None else mix.filter(pl.col("origin") != "real").height


def _untrained(tables: Tables) -> pl.DataFrame:
    """Score all trials alike: who has learned nothing can't rank."""
    return pl.concat(
        [
            examples.select(pl.lit(part).alias("part"), "nct_id", "label", pl.lit(0.5).alias("score"))
            for part, examples in tables.held_out.items()
        ]
    )


def _trained(
    arm: Arm, repetition: int, mix: pl.DataFrame, training: Training, tables: Tables
) -> pl.DataFrame:
    params = training.params
    task = Task(
        train=mix,
        validation=tables.validation,
        seed=derive_seed(training.seed, "model", repetition),
        epoch_size=tables.pool.real.height,
        vocabulary=vocabulary(arm, tables.pool),
    )
    settings = model_settings(training.model, params.classifiers)
    cell = Cell(arm.name, training.model, settings, task, tables.held_out)
    folder = training.models / arm.name if repetition == 0 else None
    scores = score_cell(
        cell,
        lambda: make_classifier(training.model, params.classifiers),
        store=training.store,
        keep_model=folder,
    )
    if folder:
        write_card(folder, cell, params.fields, scores)
    return scores
