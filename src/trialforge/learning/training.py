"""Experiments by one model: all their arms and repetitions, checked first, then trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from trialforge.core.files import read_parquet
from trialforge.core.progress import Progress
from trialforge.core.rng import derive_seed
from trialforge.learning.arms import Draw, choose_generation, compose, vocabulary
from trialforge.learning.cells import Cell
from trialforge.learning.checks import check_both_classes
from trialforge.learning.classifier import FitTask
from trialforge.learning.factory import make_classifier, model_settings
from trialforge.learning.modelcard import write_card
from trialforge.learning.orders import CELL_STORE, SCORES, Order, copy_model, order_cell, train_cells
from trialforge.learning.predictions import PREDICTION_SCHEMA, check_scores

if TYPE_CHECKING:
    from trialforge.learning.params import LearningParams, TrainingArm
    from trialforge.learning.tables import Tables


@dataclass(frozen=True, slots=True)
class Training:
    """What to train: `experiments` by `model`, and where models and finished cells are kept."""

    params: LearningParams
    experiments: Sequence[str]
    model: str
    seed: int
    models: Path
    store: Path = CELL_STORE


def train_experiments(training: Training, tables: Tables) -> pl.DataFrame:
    """Return the predictions of experiments by one model; the first repetition's models are kept.

    Raises:
        LearningError: an arm has no data or one class, or an encoder is absent; nothing was trained.
    """
    params = training.params
    turns = [
        _Turn(experiment, arm, repetition)
        for experiment in training.experiments
        for arm in params.experiments[experiment]
        for repetition in range(params.seeds)
    ]
    for turn in turns:
        _mix(turn.arm, turn.repetition, training, tables)
    make_classifier(training.model, params.classifiers)

    training.models.mkdir(parents=True, exist_ok=True)
    with Progress(f"train {training.model}", len(turns)) as progress:
        train_cells(_order(turns, training, tables, progress), progress)
    frames = [pl.DataFrame(schema=PREDICTION_SCHEMA), *(_read(turn, training, tables) for turn in turns)]
    return check_scores(pl.concat(frames), training.model)


@dataclass(slots=True)
class _Turn:
    """An arm of an experiment in one repetition, and where its scores lie; `order` is kept for the card."""

    experiment: str
    arm: TrainingArm
    repetition: int
    added: int = 0
    scores: Path | None = None
    order: Order | None = None


def _order(turns: Sequence[_Turn], training: Training, tables: Tables, progress: Progress) -> Iterator[Order]:
    """Yield the cell of each turn that trains one, only when it is asked for: its mix takes memory."""
    params = training.params
    settings = model_settings(training.model, params.classifiers)
    for turn in turns:
        mix = _mix(turn.arm, turn.repetition, training, tables)
        if mix is None:
            progress.advance(timed=False)
            continue
        turn.added = mix.filter(pl.col("origin") != "real").height
        task = FitTask(
            train=mix,
            validation=tables.validation,
            seed=derive_seed(training.seed, "model", turn.repetition),
            epoch_size=tables.pool.real.height,
            vocabulary=vocabulary(turn.arm, tables.pool),
        )
        cell = Cell(turn.arm.name, training.model, settings, task, tables.held_out)
        keep = turn.repetition == 0
        order = order_cell(cell, params.classifiers, training.store, keep=keep)
        turn.scores, turn.order = order.entry / SCORES, order if keep else None
        yield order


def _read(turn: _Turn, training: Training, tables: Tables) -> pl.DataFrame:
    """Return the predictions of a turn, and leave its model, if it is kept, with a card."""
    scores = _untrained(tables) if turn.scores is None else read_parquet(turn.scores)
    if turn.order:
        folder = training.models / turn.arm.name
        copy_model(turn.order, folder)
        write_card(folder, turn.order.cell, training.params.fields, scores)
    generation = choose_generation(tables.pool, turn.repetition) if turn.arm.learns_synthetic else None
    named = scores.with_columns(
        pl.lit(generation, dtype=pl.Int64).alias("generation"),
        pl.lit(turn.added, dtype=pl.Int64).alias("added"),
        pl.lit(turn.experiment).alias("experiment"),
        pl.lit(turn.arm.name).alias("arm"),
        pl.lit(training.model).alias("model"),
        pl.lit(turn.repetition, dtype=pl.Int64).alias("seed"),
    )
    return named.select(*PREDICTION_SCHEMA)


def _mix(arm: TrainingArm, repetition: int, training: Training, tables: Tables) -> pl.DataFrame | None:
    if arm.untrained:
        return None
    draw = Draw(training.seed, repetition, training.params.word_dropout, training.params.label_shares)
    mix = compose(arm, tables.pool, draw).drop("submitted")
    check_both_classes(mix, f"arm `{arm.name}`")
    return mix


def _untrained(tables: Tables) -> pl.DataFrame:
    """Score all trials alike: who has learned nothing can't rank."""
    return pl.concat(
        [
            examples.select(pl.lit(part).alias("part"), "nct_id", "label", pl.lit(0.5).alias("score"))
            for part, examples in tables.held_out.items()
        ]
    )
