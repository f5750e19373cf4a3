"""The test scores of one model and arm as arrays, from which every statistic is computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.core.errors import LearningError
from trialforge.scoring.bootstrap import Draws, Floats, resample
from trialforge.scoring.metrics import METRICS, choose_threshold, recalibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ArmScores:
    """Test scores of a model and arm.

    Attributes:
        labels: (trials,).
        scores: (seeds, trials).
        probabilities: (seeds, trials), the scores recalibrated on validation trials.
        thresholds: (seeds,), each the best on validation trials.
        generations: (seeds,), the generation of synthetic trials that each seed learned from, or None.
        added: the number of trials that the arm adds to its real ones, mean over seeds.
    """

    model: str
    arm: str
    experiment: str
    labels: NDArray[np.int64]
    scores: Floats
    probabilities: Floats
    thresholds: Floats
    generations: NDArray[np.int64] | None = None
    added: float = 0.0

    @property
    def votes(self) -> NDArray[np.bool_]:
        """The majority answer of the seeds for each trial; a tie is a yes."""
        yes = self.scores >= self.thresholds[:, None]
        most: NDArray[np.bool_] = yes.mean(axis=0) >= 0.5
        return most

    @property
    def fits(self) -> int:
        """The number of distinct fits; a deterministic model on an unchanged mix has only one."""
        return len({row.tobytes() for row in self.scores})

    @property
    def generation_count(self) -> int:
        """The number of generations of synthetic trials that the seeds learned from."""
        return 0 if self.generations is None else len(np.unique(self.generations))

    def values(self, metric: str) -> Floats:
        """Return what a metric reads: scores or probabilities."""
        return self.probabilities if METRICS[metric].of_probability else self.scores

    def mean(self, metric: str) -> float:
        """Return a metric, averaged over seeds."""
        measure, once = METRICS[metric].measure, np.ones((1, self.labels.size))
        rows = zip(self.values(metric), self.thresholds, strict=True)
        return float(np.mean([measure(self.labels, row, cut, once)[0] for row, cut in rows]))


@dataclass(frozen=True, slots=True)
class Resamples:
    """The metrics of every draw, computed once and shared by intervals and paired comparisons."""

    draws: Draws
    _kept: dict[tuple[str, str, str], Floats] = field(default_factory=dict)

    def of(self, one: ArmScores, metric: str) -> Floats:
        """Return a metric of a model and arm in each draw."""
        key = one.model, one.arm, metric
        if key not in self._kept:
            measure = METRICS[metric].measure
            self._kept[key] = resample(measure, one.labels, one.values(metric), one.thresholds, self.draws)
        return self._kept[key]


def collect_scores(predictions: pl.DataFrame, aim: str) -> dict[tuple[str, str], ArmScores]:
    """Return the test scores by (model, arm); a seed's threshold is the best for `aim` on validation.

    Raises:
        LearningError: two cells were scored on different trials, so they can't be paired.
    """
    answers: dict[tuple[str, str], ArmScores] = {}
    trials: list[str] | None = None
    for (model, arm), cells in predictions.group_by("model", "arm", maintain_order=True):
        rows, probabilities, thresholds, labels = [], [], [], np.array([], dtype=np.int64)
        for _, cell in cells.sort("seed", "nct_id").group_by("seed", maintain_order=True):
            held, test = (cell.filter(pl.col("part") == part) for part in ("validation", "test"))
            if trials is None:
                trials = test["nct_id"].to_list()
            elif trials != test["nct_id"].to_list():
                raise LearningError(
                    f"arm `{arm}` of {model} was not scored on the same trials as the others",
                    hint="run: dvc repro train",
                )
            known = held["label"].to_numpy(), held["score"].to_numpy()
            thresholds.append(choose_threshold(*known, aim))
            rows.append(test["score"].to_numpy())
            probabilities.append(recalibrate(*known, rows[-1]))
            labels = test["label"].to_numpy()
        by_seed = (
            cells.group_by("seed").agg(pl.col("generation").first(), pl.col("added").first()).sort("seed")
        )
        made = by_seed["generation"]
        answers[str(model), str(arm)] = ArmScores(
            str(model), str(arm), cells["experiment"][0], labels, np.array(rows), np.array(probabilities),
            np.array(thresholds), None if made.null_count() else made.to_numpy(),
            float(by_seed["added"].to_numpy().mean()),
        )  # fmt: skip
    return answers
