"""Linear models: on words (logistic regression or support vectors) and on sentence vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trialforge.learning.explain import explain_fields, top_influences
from trialforge.learning.folds import choose_by_folds, source_folds
from trialforge.learning.storage import read_arrays, write_arrays
from trialforge.learning.words import WordWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from trialforge.embedding.encoder import Encoder
    from trialforge.learning.classifier import FitTask, Influence, Scores
    from trialforge.learning.folds import Fold, Mask
    from trialforge.learning.params import EmbeddingLogregParams, TfidfLogregParams, TfidfSvmParams


class LinearModel:
    """The log-odds of success as a weighted sum of features."""

    def __init__(self, weights: NDArray[np.float64], intercept: float) -> None:
        self.weights, self.intercept = weights, intercept

    def odds(self, rows: Any) -> Scores:
        """Return the log-odds of each row."""
        odds: Scores = np.asarray(rows @ self.weights, dtype=np.float64).ravel() + self.intercept
        return odds

    def save(self, folder: Path) -> None:
        """Write `line.safetensors`."""
        write_arrays(
            {"weights": self.weights, "intercept": np.array([self.intercept])}, folder / "line.safetensors"
        )

    @classmethod
    def load(cls, folder: Path, features: int) -> LinearModel:
        """Read what `save` wrote: one weight for each feature."""
        layout = {"weights": ("F64", (features,)), "intercept": ("F64", (1,))}
        arrays = read_arrays(folder / "line.safetensors", layout)
        return cls(arrays["weights"], float(arrays["intercept"][0]))


def fit_by_folds(
    rows: Any, labels: Any, weights: Any, folds: Sequence[Fold], penalties: Sequence[float]
) -> LinearModel:
    """Return the logistic regression whose penalty ranks held-out trials best.

    A line has the least mean loss plus `penalty` / 2 times its squared length, where rows have a mean squared
    length of 1 (as in glmnet, Friedman, Hastie and Tibshirani 2010). So a penalty means the same whatever the
    features and the number of trials, and a copy of all trials leaves the line as it is.

    Args:
        rows: (trials, features).
        labels: (trials,) 0 or 1.
        weights: (trials,).
        folds: which trials are learned from, and which are then ranked.
        penalties: those to choose from; equally good ones give the largest.
    """
    falling = sorted(penalties, reverse=True)
    span, back = _reduce(rows)
    scale = _squared_length(span, weights)

    def rank(kept: Mask, held: Mask) -> list[Scores]:
        lines = _path(span[kept], labels[kept], weights[kept], scale, falling)
        return [line.odds(span[held]) for line in lines]

    best = choose_by_folds(labels, weights, folds, rank) if len(falling) > 1 else 0
    *_, line = _path(span, labels, weights, scale, falling[: best + 1])
    return LinearModel(back(line.weights), line.intercept)


def fit_average(rows: Any, labels: Any, weights: Any, penalties: Sequence[float]) -> LinearModel:
    """Return the mean of the logistic regressions of all penalties, each as in `fit_by_folds`.

    Nothing is chosen, so nothing depends on how many trials there are to choose by. An average of candidates
    often predicts better than the one that seems best (Breiman 1996, stacking; Hoeting et al. 1999).
    """
    span, back = _reduce(rows)
    lines = list(
        _path(span, labels, weights, _squared_length(span, weights), sorted(penalties, reverse=True))
    )
    mean = np.mean([line.weights for line in lines], axis=0)
    return LinearModel(back(mean), float(np.mean([line.intercept for line in lines])))


def fit_task(rows: Any, task: FitTask, penalties: Sequence[float]) -> LinearModel:
    """Return the logistic regression on rows of a task's training examples."""
    folds = source_folds(task.train) if len(penalties) > 1 else ()
    return fit_by_folds(rows, task.train["label"].to_numpy(), task.weights, folds, penalties)


def _squared_length(rows: Any, weights: Any) -> float:
    return float(np.average(np.square(rows).sum(axis=1), weights=weights)) or 1.0


def _path(
    rows: Any, labels: Any, weights: Any, scale: float, falling: Sequence[float]
) -> Iterator[LinearModel]:
    """Yield the line of each penalty, which is found from the one before."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(warm_start=True, max_iter=2000)
    for penalty in falling:
        model.set_params(C=1 / (penalty * scale * weights.sum())).fit(rows, labels, weights)
        yield LinearModel(model.coef_[0].astype(np.float64), float(model.intercept_[0]))


def _reduce(rows: Any) -> tuple[NDArray[np.float64], Callable[[Any], NDArray[np.float64]]]:
    """Return rows in the space that they span, and what turns weights there into weights of features.

    A penalised line lies in that space (representer theorem), so the line is the same; with fewer trials than
    words it is found many times faster.
    """
    if rows.shape[0] >= rows.shape[1]:
        return (rows.toarray() if hasattr(rows, "toarray") else rows), lambda weights: weights
    products = rows @ rows.T
    strengths, axes = np.linalg.eigh(products.toarray() if hasattr(products, "toarray") else products)
    kept = strengths > strengths[-1] * 1e-10
    scale, axes = np.sqrt(strengths[kept]), axes[:, kept]
    return axes * scale, lambda weights: np.asarray(rows.T @ (axes @ (weights / scale))).ravel()


def fit_support_vectors(
    rows: Any, labels: Any, weights: Any, held_rows: Any, held_labels: Any, penalties: Sequence[float]
) -> LinearModel:
    """Return the support vectors of the best ROC-AUC on held-out rows, scaled to log-odds there."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.svm import LinearSVC

    lines = []
    for penalty in penalties:
        model = LinearSVC(C=penalty, random_state=0, max_iter=5000).fit(rows, labels, weights)
        lines.append(LinearModel(model.coef_[0].astype(np.float64), float(model.intercept_[0])))
    best = max(lines, key=lambda line: roc_auc_score(held_labels, line.odds(held_rows)))
    margins = best.odds(held_rows).reshape(-1, 1)
    scale = LogisticRegression(C=1.0).fit(margins, held_labels)
    slope = max(float(scale.coef_[0, 0]), 0.1)  # a scale must not turn the ranking round
    return LinearModel(best.weights * slope, best.intercept * slope + float(scale.intercept_[0]))


def sigmoid(odds: Scores) -> Scores:
    """Return probabilities of log-odds."""
    probability: Scores = 1.0 / (1.0 + np.exp(-np.clip(odds, -500, 500)))
    return probability


class WordClassifier:
    """A logistic regression on TF-IDF weights."""

    seeded = False
    encoder_digest = None

    def __init__(self, params: TfidfLogregParams | TfidfSvmParams) -> None:
        self._params = params
        self._words = WordWeights(params.ngram_max, params.min_count, params.max_words)

    def learn_features(self, texts: Sequence[str]) -> None:
        """Learn the vocabulary."""
        self._words.fit(texts)

    def rows(self, examples: pl.DataFrame) -> csr_matrix:
        """Return the features of each example."""
        return self._words.transform(examples["text"].to_list())

    def fit(self, task: FitTask) -> None:
        """Learn vocabulary and weights."""
        self.learn_features(task.known_texts)
        self._line = self._find_line(task)

    def _find_line(self, task: FitTask) -> LinearModel:
        return fit_task(self.rows(task.train), task, self._params.penalties)

    def predict(self, examples: pl.DataFrame) -> Scores:
        """Return the probability of label 1 for each example."""
        return sigmoid(self._line.odds(self.rows(examples)))

    def explain(self, examples: pl.DataFrame, count: int) -> list[list[Influence]]:
        """Return the words with the largest share in each example's log-odds."""
        names = self._words.names
        rows = self.rows(examples).multiply(self._line.weights).tocsr()  # type: ignore[attr-defined]
        return [
            top_influences([names[column] for column in row.indices], row.data.tolist(), count)
            for row in (rows[number] for number in range(rows.shape[0]))
        ]

    def save(self, folder: Path) -> None:
        """Write words and line."""
        self._words.save(folder)
        self._line.save(folder)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self._words.load(folder)
        self._line = LinearModel.load(folder, len(self._words.names))


class SupportVectorClassifier(WordClassifier):
    """Support vectors on TF-IDF weights, whose `C` is chosen on validation trials."""

    def _find_line(self, task: FitTask) -> LinearModel:
        rows, held = self.rows(task.train), self.rows(task.validation)
        labels = task.train["label"].to_numpy(), task.validation["label"].to_numpy()
        return fit_support_vectors(rows, labels[0], task.weights, held, labels[1], self._params.penalties)


class VectorClassifier:
    """A logistic regression on the vectors of a frozen encoder."""

    seeded = False

    def __init__(self, params: EmbeddingLogregParams, encoder: Encoder) -> None:
        self._params, self._encoder = params, encoder

    @property
    def encoder_digest(self) -> str:
        """Hash of the frozen encoder."""
        return self._encoder.digest

    def learn_features(self, texts: Sequence[str]) -> None:
        """Learn nothing: the encoder is frozen."""

    def rows(self, examples: pl.DataFrame) -> NDArray[np.float64]:
        """Return the features of each example."""
        vectors = self._encoder.encode(examples["text"].to_list()).astype(np.float64)
        # Features of variance about 1, so that a penalty means what it does on others.
        return np.asarray(vectors * np.sqrt(vectors.shape[1]), dtype=np.float64)

    def fit(self, task: FitTask) -> None:
        """Learn the weights."""
        self._line = fit_task(self.rows(task.train), task, self._params.penalties)

    def predict(self, examples: pl.DataFrame) -> Scores:
        """Return the probability of label 1 for each example."""
        return sigmoid(self._line.odds(self.rows(examples)))

    def explain(self, examples: pl.DataFrame, count: int) -> list[list[Influence]]:
        """Return the fields whose absence changes each example's log-odds most."""
        return explain_fields(self.predict, examples, count)

    def save(self, folder: Path) -> None:
        """Write the line; the encoder is named by the model card."""
        self._line.save(folder)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self._line = LinearModel.load(folder, self._encoder.dimension)
