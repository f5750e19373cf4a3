"""Training of cells, here or by the workers of a cluster: what the store has is not trained again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from trialforge.core.errors import LearningError
from trialforge.core.files import disk_errors, write_bytes, write_parquet
from trialforge.core.pieces import map_as_completed, uses_cluster
from trialforge.learning.cells import Cell, cell_key
from trialforge.learning.factory import make_classifier

if TYPE_CHECKING:
    from trialforge.core.progress import Progress
    from trialforge.learning.params import ClassifierParams

SCORES = "scores.parquet"  # part, nct_id, label and score of each held-out example
CELL_STORE = Path(".trialforge/learning")


@dataclass(frozen=True, slots=True)
class Order:
    """A cell to be trained, with all that a worker needs for it.

    Attributes:
        cell: what is trained.
        params: of all classifiers.
        encoder: digest of the encoder that the classifier starts from; None: it has none.
        entry: its folder in the store of finished cells.
        keep: whether the model is kept beside the scores.
    """

    cell: Cell
    params: ClassifierParams
    encoder: str | None
    entry: Path
    keep: bool

    @property
    def is_done(self) -> bool:
        """Whether the store has what is asked for."""
        return (self.entry / SCORES).is_file() and (not self.keep or (self.entry / "model").is_dir())


def order_cell(cell: Cell, params: ClassifierParams, store: Path, *, keep: bool) -> Order:
    """Return the order of a cell; `store` is the folder of finished cells, safe to delete."""
    classifier = make_classifier(cell.model, params)
    return Order(cell, params, classifier.encoder_digest, store / cell_key(cell, classifier)[:32], keep)


def train_cells(orders: Iterable[Order], progress: Progress) -> None:
    """Train what the store lacks: here one cell after another, on a cluster many at once.

    Raises:
        LearningError: a classifier can't be trained, or gives no scores.
        WorkerError: see `core.pieces`.
    """
    known: set[tuple[Path, bool]] = set()
    sent: list[tuple[Path, str]] = []

    def missing() -> Iterator[Order]:
        for order in orders:
            asked = {(order.entry, order.keep), (order.entry, True)}
            if order.is_done or asked & known:  # one key may decide several cells
                progress.advance(timed=False, note=order.cell.arm)
            else:
                known.add((order.entry, order.keep))
                sent.append((order.entry, order.cell.arm))
                yield order

    train = train_elsewhere if uses_cluster() else train_here
    with closing(map_as_completed(train, missing(), workers=1)) as trained:
        for number, files in trained:
            entry, arm = sent[number]
            if files:
                _unpack(files, entry)
            progress.advance(note=arm)


def train_here(order: Order) -> dict[str, bytes]:
    """Train a cell into its entry of the store, from a checkpoint that a killed run left there."""
    _train(order, order.entry)
    return {}


def train_elsewhere(order: Order) -> dict[str, bytes]:
    """Return the files of a cell's entry; it is trained on a worker of a cluster."""
    with tempfile.TemporaryDirectory(prefix="trialforge-") as text:
        folder = Path(text)
        _train(order, folder)
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _unpack(files: Mapping[str, bytes], entry: Path) -> None:
    """Write what a worker trained, the scores last: without them a cell is none."""
    arrived = entry / "arrived"
    shutil.rmtree(arrived, ignore_errors=True)
    for name, content in files.items():
        write_bytes(content, arrived / name)
    if (arrived / "model").is_dir():
        shutil.rmtree(entry / "model", ignore_errors=True)
        (arrived / "model").replace(entry / "model")
    (arrived / SCORES).replace(entry / SCORES)
    shutil.rmtree(arrived)


def copy_model(order: Order, folder: Path) -> None:
    """Copy the kept model of a trained cell into a folder."""
    with disk_errors(folder):
        try:
            shutil.copytree(order.entry / "model", folder, dirs_exist_ok=True)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)  # a part of a model is none
            raise


def _train(order: Order, entry: Path) -> None:
    cell = order.cell
    classifier = make_classifier(cell.model, order.params)
    if classifier.encoder_digest != order.encoder:
        raise LearningError(
            f"the encoder of {cell.model} has digest {classifier.encoder_digest} here, not {order.encoder}",
            hint="install the same package, or copy the same folder",
        )
    classifier.fit(replace(cell.task, scratch=entry / "checkpoint"))
    scored = []
    for part, examples in cell.held_out.items():
        values = classifier.predict(examples)
        rows = examples.select(pl.lit(part).alias("part"), "nct_id", "label").with_columns(
            pl.Series("score", values, dtype=pl.Float64)
        )
        if not values.size == rows.height or rows["score"].is_nan().any():
            raise LearningError(f"{cell.model} gave NaN scores for arm `{cell.arm}`")
        scored.append(rows)
    if order.keep:
        part_folder = entry / "model.part"
        shutil.rmtree(part_folder, ignore_errors=True)
        part_folder.mkdir(parents=True)
        classifier.save(part_folder)
        shutil.rmtree(entry / "model", ignore_errors=True)
        part_folder.replace(entry / "model")
    write_parquet(pl.concat(scored), entry / SCORES)
    shutil.rmtree(entry / "checkpoint", ignore_errors=True)
