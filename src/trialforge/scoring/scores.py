"""The scores of one model and arm on the test part, as arrays; what every statistic starts from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.core.errors import LearningError
from trialforge.scoring.bootstrap import Draws, Floats, resample
from trialforge.scoring.metrics import METRICS, choose_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ArmScores:
    """Test scores of a model and arm: labels (trials,), scores (seeds, trials), thresholds (seeds,)."""

    model: str
    arm: str
    experiment: str
    labels: NDArray[np.int64]
    scores: Floats
    thresholds: Floats

    @property
    def votes(self) -> NDArray[np.bool_]:
        """What most seeds answer for each trial; a tie is a yes."""
        yes = self.scores >= self.thresholds[:, None]
        most: NDArray[np.bool_] = yes.mean(axis=0) >= 0.5
        return most

    def subset(self, chosen: NDArray[np.bool_]) -> ArmScores:
        """Return the scores of some trials."""
        return ArmScores(
            self.model,
            self.arm,
            self.experiment,
            self.labels[chosen],
            self.scores[:, chosen],
            self.thresholds,
        )


@dataclass(frozen=True, slots=True)
class Resamples:
    """The metrics of every draw, each computed once: intervals and paired comparisons share them."""

    draws: Draws
    _kept: dict[tuple[str, str, str], Floats] = field(default_factory=dict)

    def of(self, one: ArmScores, metric: str) -> Floats:
        """Return a metric of a model and arm in each draw."""
        key = one.model, one.arm, metric
        if key not in self._kept:
            measure = METRICS[metric].measure
            self._kept[key] = resample(measure, one.labels, one.scores, one.thresholds, self.draws)
        return self._kept[key]


def collect_scores(predictions: pl.DataFrame, aim: str) -> dict[tuple[str, str], ArmScores]:
    """Return the test scores by (model, arm); a seed's threshold is the best for `aim` on validation.

    Raises:
        LearningError: two cells were scored on different trials, so that no test could pair them.
    """
    answers: dict[tuple[str, str], ArmScores] = {}
    trials: list[str] | None = None
    for (model, arm), cells in predictions.group_by("model", "arm", maintain_order=True):
        rows, thresholds, labels = [], [], np.array([], dtype=np.int64)
        for _, cell in cells.sort("seed", "nct_id").group_by("seed", maintain_order=True):
            held, test = (cell.filter(pl.col("part") == part) for part in ("validation", "test"))
            if trials is None:
                trials = test["nct_id"].to_list()
            elif trials != test["nct_id"].to_list():
                raise LearningError(
                    f"arm `{arm}` of {model} was scored on other trials than the rest",
                    hint="run: dvc repro train",
                )
            thresholds.append(choose_threshold(held["label"].to_numpy(), held["score"].to_numpy(), aim))
            rows.append(test["score"].to_numpy())
            labels = test["label"].to_numpy()
        answers[str(model), str(arm)] = ArmScores(
            str(model), str(arm), cells["experiment"][0], labels, np.array(rows), np.array(thresholds)
        )
    return answers
