"""What learns to tell the outcome of a trial, as the rest of the package sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FitTask:
    """What a classifier is fitted on.

    Attributes:
        train: examples of the arm, with `weight` where they do not all weigh 1.
        validation: real examples, for early stopping.
        seed: of the model's own random draws.
        epoch_size: examples in an epoch, equal in all arms, so that each arm gets as many optimiser steps.
        scratch: folder for checkpoints; None keeps none.
        vocabulary: texts that words and their weights are taken from; None: those of `train`.
    """

    train: pl.DataFrame
    validation: pl.DataFrame
    seed: int
    epoch_size: int
    scratch: Path | None = None
    vocabulary: pl.Series | None = None

    @property
    def weights(self) -> Scores:
        """How much each training example counts."""
        if "weight" not in self.train.columns:
            return np.ones(self.train.height)
        return self.train["weight"].to_numpy()

    @property
    def known_texts(self) -> list[str]:
        """The texts that words are taken from."""
        texts: list[str] = (self.train["text"] if self.vocabulary is None else self.vocabulary).to_list()
        return texts


class Influence(NamedTuple):
    """A word or field, and how far it moves the log-odds of success."""

    feature: str
    weight: float


class Classifier(Protocol):
    """Learns from examples, and gives the probability that a trial succeeds."""

    seeded: bool
    """Whether the seed of a task changes the result."""

    @property
    def encoder_digest(self) -> str | None:
        """Hash of the encoder that it starts from, as a name misses replaced weights; None: no encoder."""

    def fit(self, task: FitTask) -> None:
        """Learn from the task's training examples."""

    def predict(self, examples: pl.DataFrame) -> Scores:
        """Return the probability of label 1 for each example."""

    def explain(self, examples: pl.DataFrame, count: int) -> list[list[Influence]]:
        """Return, for each example, the `count` words or fields that moved its score most."""

    def save(self, folder: Path) -> None:
        """Write weights and vocabulary into a folder that exists."""

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
