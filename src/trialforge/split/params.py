"""Parameters of the split and the plan: sections `split` and `plan` of params.yaml."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from trialforge.core.params import Section
from trialforge.trial.generation_arms import GenerationArm


class SplitParams(Section):
    """How trials are parted: `test_size` of all that are kept, `validation_size` of what is not test.

    With `test_from`, those that start on this day or later are test, whatever their share. `held_back` of the
    labelled train trials are taken out of train. A field whose presence alone tells the label of train trials
    with a higher ROC-AUC than `max_presence_auc` is dropped.
    """

    strategy: Literal["official", "temporal", "intervention", "random"]
    test_size: float = Field(gt=0, lt=1)
    validation_size: float = Field(gt=0, lt=1)
    near_duplicate: float = Field(gt=0, le=1)
    test_from: date | None = None
    held_back: float = Field(default=0.1, gt=0, lt=1)
    max_presence_auc: float = Field(default=0.55, ge=0.5, le=1)

    @model_validator(mode="after")
    def _check_date(self) -> Self:
        if self.test_from is not None and self.strategy != "temporal":
            raise ValueError(
                f"`test_from` splits by date and needs `strategy: temporal`, not {self.strategy}"
            )
        return self


class BlockParams(Section):
    """Blocks of real trials, each of which a generator sees alone, so that what it writes can be priced.

    Attributes:
        enabled: whether the plan asks for trials by block; otherwise there is no block.
        size: real trials of a block.
        most: blocks at most.
        records: synthetic trials that are asked for, a block, in each generation.
    """

    enabled: bool = False
    size: int = Field(default=25, ge=5)
    most: int = Field(default=48, ge=6)
    records: int = Field(default=50, ge=1)


class StudiedArm(Section):
    """What an arm of section `study` asks of the plan."""

    model_config = ConfigDict(extra="ignore")

    name: str
    extra: str | None = None
    generation_arm: str | None = None


class StudiedPools(Section):
    """What section `study` asks of the plan: enough blocks, and the generation arms that it learns from."""

    model_config = ConfigDict(extra="ignore")

    sizes: tuple[int, ...]
    arms: tuple[StudiedArm, ...]


TargetShares = Literal["pool", "equal"]


class PlanParams(Section):
    """What is to be generated; with `contrast` each skeleton as a success and as a failure, half of each."""

    min_success: int = Field(ge=1)
    min_failure: int = Field(ge=1)
    interventions: int = Field(ge=1)
    records: int = Field(ge=1)
    generations: int = Field(default=1, ge=1)
    label_shares: TargetShares = "pool"
    contrast: bool = False
    arms: tuple[GenerationArm, ...] = Field(min_length=1)
    max_words: int = Field(default=600, ge=20)
