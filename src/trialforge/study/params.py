"""The knobs of the study: section `study` of params.yaml."""

from __future__ import annotations

from collections import Counter
from typing import Literal, Self

from pydantic import Field, model_validator

from trialforge.core.params import Section
from trialforge.learning.params import Penalties, TrainingArm

StudyModel = Literal["tfidf-logreg", "embedding-logreg"]


class StudyArm(TrainingArm):
    """A training mix of a pool, and what is done with the trials that it adds.

    Attributes:
        labels: theirs as given, permuted within their block, or the probabilities of a teacher: the other
            classifier of the study, fitted on the pool's real trials without the block that a draft is of.
        best: the share of them that is kept, those first whose label such a teacher finds likeliest; None:
            all.
        prose: False leaves out what the model wrote, so that only the skeletons of the plan are learned from.
        density: weigh them by how much rather a classifier takes their content for a real trial's (a
            density ratio, cross-fitted by block).
        tuned: learn with the one penalty that folds choose, and not with the mean of all.
    """

    labels: Literal["given", "permuted", "teacher"] = "given"
    best: float | None = Field(default=None, gt=0, lt=1)
    prose: bool = True
    density: bool = False
    tuned: bool = False


class StudyParams(Section):
    """How the worth of synthetic trials is measured.

    Attributes:
        sizes: blocks of a pool that is augmented.
        curve: blocks of a pool on the learning curve of real trials.
        pools: pools of each size.
        arms: what is trained on each pool; `real`, which is the curve, is always there.
        models: classifiers; the first is the declared one.
        penalties: those whose models each pool averages; an arm that is `tuned` chooses one of them.
        primary: the declared question: this arm, in pools of so many blocks, against the best rival.
        rivals: arms that cost a user nothing.
        margin: arms are equivalent where their ROC-AUCs differ significantly by less than this.
        draws: bootstrap draws of test interventions.
        level: of every interval.
    """

    sizes: tuple[int, ...] = (2, 4, 8)
    curve: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
    pools: int = Field(default=48, ge=8)
    arms: tuple[StudyArm, ...] = (StudyArm(name="synthetic", extra="synthetic"),)
    models: tuple[StudyModel, ...] = Field(default=("tfidf-logreg",), min_length=1)
    penalties: Penalties = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
    primary: str = "synthetic"
    primary_size: int = 4
    rivals: tuple[str, ...] = ()
    margin: float = Field(default=0.01, gt=0, lt=0.5)
    draws: int = Field(default=400, ge=50)
    level: float = Field(default=0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        counts = Counter(arm.name for arm in self.arms)
        twice = sorted(name for name, count in counts.items() if count > 1 or name == "real")
        if twice:
            raise ValueError(f"arm {', '.join(twice)} is listed more than once")
        unknown = sorted({self.primary, *self.rivals} - {"real", *counts})
        if unknown:
            raise ValueError(f"unknown arm {', '.join(unknown)}; choose from real, {', '.join(counts)}")
        if self.primary_size not in self.sizes:
            raise ValueError(f"`primary_size` {self.primary_size} is not one of `sizes`")
        if list(self.curve) != sorted(set(self.curve)) or len(self.curve) < 2 or self.curve[0] < 1:
            raise ValueError("`curve` must list at least two different numbers of blocks in increasing order")
        if set(self.sizes) - set(self.curve):
            raise ValueError("`curve` must include each of `sizes`")
        return self
