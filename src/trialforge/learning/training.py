"""Experiments by one model: all their arms and repetitions, checked first, then trained."""

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
from trialforge.learning.classifier import FitTask
from trialforge.learning.factory import make_classifier, model_settings
from trialforge.learning.modelcard import write_card
from trialforge.learning.predictions import PREDICTION_SCHEMA, check_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trialforge.learning.params import LearningParams, TrainingArm
    from trialforge.learning.tables import Tables


@dataclass(frozen=True, slots=True)
class Training:
    """What to train: experiments `items` by `model`, and where models and finished cells are kept."""

    params: LearningParams
    items: Sequence[str]
    model: str
    seed: int
    models: Path
    store: Path = CELL_STORE


def train_items(training: Training, tables: Tables) -> pl.DataFrame:
    """Return the predictions of experiments by one model; the first repetition's models are kept.

    Raises:
        LearningError: an arm has no data or one class, or an encoder is absent; nothing was trained.
    """
    params = training.params
    turns = [
        (item, arm, repetition)
        for item in training.items
        for arm in params.arms_of(item)
        for repetition in range(params.seeds)
    ]
    for _, arm, repetition in turns:
        _mix(arm, repetition, training, tables)
    make_classifier(training.model, params.classifiers)

    training.models.mkdir(parents=True, exist_ok=True)
    frames = [pl.DataFrame(schema=PREDICTION_SCHEMA)]
    with Progress(f"train {training.model}", len(turns)) as progress:
        for item, arm, repetition in turns:
            mix = _mix(arm, repetition, training, tables)
            scores = _untrained(tables) if mix is None else _trained(arm, repetition, mix, training, tables)
            generation = choose_generation(tables.pool, repetition) if arm.learns_synthetic else None
            named = scores.with_columns(
                pl.lit(generation, dtype=pl.Int64).alias("generation"),
                pl.lit(_added(mix), dtype=pl.Int64).alias("added"),
                pl.lit(item).alias("experiment"),
                pl.lit(arm.name).alias("arm"),
                pl.lit(training.model).alias("model"),
                pl.lit(repetition, dtype=pl.Int64).alias("seed"),
            )
            frames.append(named.select(*PREDICTION_SCHEMA))
            progress.advance(note=f"{item}, arm {arm.name}, seed {repetition}")
    return check_scores(pl.concat(frames), training.model)


def _mix(arm: TrainingArm, repetition: int, training: Training, tables: Tables) -> pl.DataFrame | None:
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
    arm: TrainingArm, repetition: int, mix: pl.DataFrame, training: Training, tables: Tables
) -> pl.DataFrame:
    params = training.params
    task = FitTask(
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
