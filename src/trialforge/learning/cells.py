"""One cell of an experiment: an arm, a model, a repetition; trained once, found again by what decides it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from trialforge.core.errors import LearningError
from trialforge.core.files import hash_file, hash_json, hash_text, read_parquet, write_parquet
from trialforge.learning.classifier import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trialforge.learning.classifier import Classifier

CELL_STORE = Path(".trialforge/learning")
_LIBRARIES = ("numpy", "polars", "scikit-learn", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Cell:
    """What is trained: examples, the model by name with its parameters as JSON, the seed."""

    arm: str
    model: str
    settings: dict[str, object]
    task: Task
    held_out: Mapping[str, pl.DataFrame]


@cache
def code_digest() -> str:
    """Return the hash of the code and libraries that decide a score."""
    package = Path(__file__).parents[1]
    sources = [
        package / "core/rng.py",
        package / "text.py",
        *(package / "learning").glob("*.py"),
        *(package / "embedding").glob("*.py"),
    ]
    return hash_json(
        {
            "sources": {path.name + path.parent.name: hash_file(path) for path in sources},
            "libraries": {name: version(name) for name in _LIBRARIES},
        }
    )


def frame_digest(frame: pl.DataFrame) -> str:
    """Return the hash of a table's values."""
    return hash_text(frame.write_ndjson())


def cell_key(cell: Cell, classifier: Classifier) -> str:
    """Return the hash of all that decides a cell's scores."""
    return hash_json(
        {
            "code": code_digest(),
            "model": cell.model,
            "settings": cell.settings,
            "encoder": classifier.encoder_digest,
            "seed": cell.task.seed if classifier.seeded else None,
            "epoch_size": cell.task.epoch_size,
            "train": frame_digest(cell.task.train),
            "validation": frame_digest(cell.task.validation),
            "held_out": {part: frame_digest(frame) for part, frame in cell.held_out.items()},
        }
    )


def score_cell(
    cell: Cell, make: Callable[[], Classifier], *, store: Path = CELL_STORE, keep_model: Path | None = None
) -> pl.DataFrame:
    """Return part, nct_id, label and score of each held-out example; train only what was never trained.

    Args:
        cell: what to train.
        make: gives a new classifier.
        store: folder of finished cells, safe to delete.
        keep_model: folder for the trained model; None keeps none.
    """
    classifier = make()
    entry = store / cell_key(cell, classifier)[:32]
    scores = entry / "scores.parquet"
    if not scores.is_file() or (keep_model and not (entry / "model").is_dir()):
        _train(cell, classifier, entry, keep=keep_model is not None)
    if keep_model:
        shutil.copytree(entry / "model", keep_model, dirs_exist_ok=True)
    return read_parquet(scores)


def _train(cell: Cell, classifier: Classifier, entry: Path, *, keep: bool) -> None:
    task = Task(
        cell.task.train, cell.task.validation, cell.task.seed, cell.task.epoch_size, entry / "checkpoint"
    )
    classifier.fit(task)
    scored = []
    for part, examples in cell.held_out.items():
        values = classifier.predict(examples)
        rows = examples.select(pl.lit(part).alias("part"), "nct_id", "label").with_columns(
            pl.Series("score", values, dtype=pl.Float64)
        )
        if not values.size == rows.height or rows["score"].is_nan().any():
            raise LearningError(f"{cell.model} gave NaN scores for arm `{cell.arm}`")
        scored.append(rows)
    if keep:
        part_folder = entry / "model.part"
        shutil.rmtree(part_folder, ignore_errors=True)
        part_folder.mkdir(parents=True)
        classifier.save(part_folder)
        shutil.rmtree(entry / "model", ignore_errors=True)
        part_folder.replace(entry / "model")
    write_parquet(pl.concat(scored), entry / "scores.parquet")
    shutil.rmtree(entry / "checkpoint", ignore_errors=True)
