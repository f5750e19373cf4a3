"""Which single word, mark, length, order or value tells the label, and more than it does in real trials?

A classifier of all features at once hides a leak among thousands of words. Here each feature is tested by
itself, against the largest that chance gives of any feature of its view.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import polars as pl
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from trialforge.core.errors import MetricError
from trialforge.quality.case import Case, Side
from trialforge.quality.metric import Direction, Estimate, Metric
from trialforge.quality.views import (
    FORM_NAMES,
    STYLE_NAMES,
    TEXT_PARTS,
    VALUES,
    form_features,
    style_features,
)
from trialforge.trial.text import field_text

FLIPS = 399  # a feature is certain where none of so many random signs gives one of its view as much
FEWEST = 5  # records that have a feature
PRIOR = 10.0  # real trials without a difference, added to those that say how much a feature tells
KNOWN = 2.0  # standard errors from which on real trials are taken to tell a label by a feature
SHRINK = 2.0  # records of the usual label, added to those of an intervention
SHOWN = 10  # features of a view in the table
_ALL = "any field"
_WORD = re.compile(r"[^\W_]+")
_SHAPE = re.compile(r"[A-Z]{2,}|[A-Z][a-z]+|[a-z]+|[A-Z]|\d+|.", re.DOTALL)
_COUNTS = ("words", "lines", "words of a line", "lines in order of the alphabet", "lines longer than the last")
_RARE = "word pairs that no other record has"


@dataclass(frozen=True, slots=True)
class _Tested:
    """What each feature has in common with the label: its score, the variance of it, and its own spread."""

    score: np.ndarray
    variance: np.ndarray
    spread: np.ndarray
    flipped: np.ndarray


def _texts(frame: pl.DataFrame) -> dict[str, list[str]]:
    return {
        name: frame.select(text.fill_null("").alias("text"))["text"].to_list()
        for name, text in TEXT_PARTS.items()
    }


def _say(view: str, field: str, kind: str, what: str) -> str:
    return "\t".join((view, field, f"{kind} {what!r}" if what else kind))


def _read_text(field: str, text: str) -> Iterator[str]:
    """Yield the features that a text has: words, pairs, marks with what stands by them, first and last words."""
    view = "title" if field == "title" else "words"
    lines = [[word.lower() for word in _WORD.findall(line)] for line in text.split("\n")]
    lines = [line for line in lines if line]
    for line in lines:
        grams = [*line, *(" ".join(pair) for pair in pairwise(line))]
        yield from (_say(view, place, "word", gram) for gram in grams for place in (field, _ALL))
    if lines:
        ends = {"first": lines[0][0], "last": lines[-1][-1], "last line begins with": lines[-1][0]}
        yield from (_say("form", field, kind, word) for kind, word in ends.items())
    shapes = [_shape(token) for token in _SHAPE.findall(f"\n{text}\n")] if text else []
    for length in (1, 2, 3):
        for place in range(len(shapes) - length + 1):
            mark = "".join(shapes[place : place + length])
            yield _say("style", field, "mark", mark)
            yield _say("style", _ALL, "mark", mark)


def _shape(token: str) -> str:
    if token.isdigit():
        return "9"
    if not token.isascii() or not token.isalpha():
        return token
    return "a" if token.islower() else "Aa" if len(token) > 1 and token[1].islower() else "A" * min(len(token), 2)


def _count(text: str) -> tuple[float, ...]:
    """Return the _COUNTS of a text."""
    lines = [line.strip(" -*•").lower() for line in text.split("\n") if line.strip(" -*•")]
    words = [len(_WORD.findall(line)) for line in lines]
    steps = list(pairwise(lines))
    ordered, longer = (
        sum(test(*step) for step in steps) / len(steps) if steps else 0.5
        for test in (lambda one, other: one <= other, lambda one, other: len(one) <= len(other))
    )
    return float(sum(words)), float(len(lines)), sum(words) / max(len(lines), 1), ordered, longer


def _rare_share(texts: Iterable[str]) -> list[float]:
    """Return the share of word pairs that no other text of the set has."""
    pairs = [{*pairwise(word.lower() for word in _WORD.findall(text))} for text in texts]
    having = Counter(pair for one in pairs for pair in one)
    return [sum(having[pair] == 1 for pair in one) / max(len(one), 1) for one in pairs]


class _Features:
    """The features of a set of records that enough of them have, to be read of other records too."""

    def __init__(self, side: Side) -> None:
        self._parts = [name for name, texts in _texts(side.frame).items() if any(texts)]
        texts, marks = self._said(side.frame), self._counted(side.frame)
        fewest = min(FEWEST, len(side))
        self._vectorizer = CountVectorizer(analyzer=set, min_df=fewest, dtype=np.float32)
        try:
            self._vectorizer.fit(texts)
            said = self._vectorizer.get_feature_names_out().tolist()
        except ValueError:  # no feature that enough records have
            said = []
        self._said_any = bool(said)
        self._edges = np.sort(marks, axis=0)
        varied = [f"{name}, {part}" for name in self._names() for part in ("more", *_QUARTERS)]
        names = [one.split("\t") for one in [*said, *varied]]
        self.names = pl.DataFrame(names, schema=["view", "field", "feature"], orient="row")

    def _said(self, frame: pl.DataFrame) -> list[list[str]]:
        texts = _texts(frame)
        found: list[list[str]] = [[] for _ in range(len(frame))]
        for name in TEXT_PARTS:
            for mine, text in zip(found, texts[name], strict=True):
                mine.append(_say("form", name, "filled" if text else "empty", ""))
                mine.append(_say("form", name, "length", str(len(text))))
                mine.append(_say("form", name, "lines", str(len(text.split("\n")))))
                mine.extend(_read_text(name, text))
        for name in VALUES:
            values = frame.select(field_text(name).fill_null("none"))[name].to_list()
            for mine, value in zip(found, values, strict=True):
                mine.append(_say("form", name, "value", value))
        return found

    def _names(self) -> list[str]:
        counts = [_say("form", part, name, "") for part in self._parts for name in _COUNTS]
        return [
            *(_say("form", *name, "") for name in FORM_NAMES),
            *(_say("style", _ALL, name, "") for name in STYLE_NAMES),
            *counts,
            _say("words", _ALL, _RARE, ""),
        ]

    def _counted(self, frame: pl.DataFrame) -> np.ndarray:
        texts = _texts(frame)
        counts = [np.array([_count(text) for text in texts[part]]).reshape(len(frame), -1) for part in self._parts]
        every = ["\n".join(one) for one in zip(*texts.values(), strict=True)]
        style = style_features(frame, self._parts)
        return np.column_stack([form_features(frame), style, *counts, _rare_share(every)])

    def rows(self, frame: pl.DataFrame) -> sparse.csr_matrix:
        """Return the features of each record: 1 for what it has; of a number its rank, and the quarter it is in."""
        numbers, n = self._counted(frame), len(self._edges)
        columns = []
        for place in range(numbers.shape[1]):
            edges, mine = self._edges[:, place], numbers[:, place]
            rank = (np.searchsorted(edges, mine, "left") + np.searchsorted(edges, mine, "right")) / 2 / n
            quarter = np.minimum((rank * len(_QUARTERS)).astype(int), len(_QUARTERS) - 1)
            columns += [2 * rank - 1, *(quarter == one for one in range(len(_QUARTERS)))]
        counted = sparse.csr_matrix(np.column_stack(columns).astype(np.float32))
        if not self._said_any:
            return counted
        said = self._vectorizer.transform(self._said(frame))
        said.data[:] = 1
        return sparse.hstack([said, counted]).tocsr()


_QUARTERS = ("in the lowest quarter", "in the second quarter", "in the third quarter", "in the highest quarter")


def _residuals(side: Side) -> np.ndarray:
    """Return labels less what the intervention tells: its mean, drawn to that of all where it has few records."""
    labels, usual = side.labels.astype(float), float(side.labels.mean())
    codes = np.unique(side.interventions.to_numpy().astype(str), return_inverse=True)[1]
    means = (np.bincount(codes, labels) + SHRINK * usual) / (np.bincount(codes) + SHRINK)
    left = labels - means[codes]
    residuals: np.ndarray = left - left.mean()
    return residuals


def _test(side: Side, rows: sparse.csr_matrix, stream: np.random.Generator) -> _Tested:
    """Return the score of each feature, and what it would be if the sign of each exemplar set were by lot."""
    residuals, mean = _residuals(side), np.asarray(rows.mean(axis=0)).ravel()
    groups = np.empty(len(side), dtype=np.int64)
    groups[side.clusters.order] = np.repeat(np.arange(len(side.clusters)), np.diff(side.clusters.starts))
    sums = sparse.csr_matrix((residuals, (groups, np.arange(len(side)))), shape=(len(side.clusters), len(side)))
    parts, all_of = (sums @ rows).tocsr(), np.bincount(groups, residuals)
    square = np.asarray(parts.multiply(parts).sum(axis=0)).ravel()
    variance = square - 2 * mean * (parts.T @ all_of) + mean**2 * float(all_of @ all_of)
    signs = stream.choice([-1.0, 1.0], (FLIPS, len(all_of)))
    flipped = (parts.T @ signs.T).T - np.outer(signs @ all_of, mean)
    spread = np.asarray(rows.multiply(rows).sum(axis=0)).ravel() - len(side) * mean**2
    score = np.asarray(rows.T @ residuals).ravel()
    return _Tested(score, np.maximum(variance, 1e-9), np.maximum(spread, 0), flipped)


def _excess(ours: _Tested, real: _Tested, scores: np.ndarray, real_scores: np.ndarray) -> np.ndarray:
    """Return by how many standard errors a feature tells the label, and more than real trials would have it."""
    share = ours.spread / (real.spread + PRIOR)
    known = np.abs(real_scores) > KNOWN * np.sqrt(real.variance)
    beyond = (scores - known * share * real_scores) / np.sqrt(ours.variance + known * share**2 * real.variance)
    alone = scores / np.sqrt(ours.variance)
    same = np.sign(beyond) == np.sign(alone)
    found: np.ndarray = np.where(same, np.sign(alone) * np.minimum(np.abs(beyond), np.abs(alone)), 0)
    return found


@lru_cache(maxsize=8)
def find_tells(case: Case) -> pl.DataFrame:
    """Return each feature of the records, and whether it tells the label for certain more than in real trials.

    Score tests of labels, less what the intervention tells; what real trials tell by a feature is taken off.
    A feature is certain where it lies above all that FLIPS random signs give any feature of its view: of sets
    that tell nothing, 1% have such a feature in one of four views. Records of one exemplar set change sign
    together.

    Columns: `view`, `field`, `feature`, `with_1` and `with_0` (mean of the feature in records of either
    label), `real_1` and `real_0` (in real trials), `z` (above 0 for label 1), `bound` of the view, `certain`.

    Raises:
        MetricError: records or train are not of both labels.
    """
    stream = case.scale.stream("tells")
    sides = [
        side.labelled().draw(case.params.max_probe_records, stream) for side in (case.candidates, case.reference)
    ]
    if any(len(np.unique(side.labels)) < 2 for side in sides):
        raise MetricError("both sets need records of both labels to say what tells them")
    features = _Features(sides[0])
    rows = [features.rows(side.frame) for side in sides]
    ours, real = (_test(side, matrix, stream) for side, matrix in zip(sides, rows, strict=True))
    z = _excess(ours, real, ours.score, real.score)
    chance = np.array(
        [np.abs(_excess(ours, real, *flipped)) for flipped in zip(ours.flipped, real.flipped, strict=True)]
    )
    means = {
        f"{name}_{label}": np.asarray(matrix[side.labels == label].mean(axis=0)).ravel()
        for name, side, matrix in zip(("with", "real"), sides, rows, strict=True)
        for label in (1, 0)
    }
    table = features.names.with_columns(**{name: pl.Series(mean) for name, mean in means.items()}, z=pl.Series(z))
    largest = pl.Series(chance.max(axis=0) if len(chance.T) else [], dtype=pl.Float64)
    bound = largest.alias("bound")
    table = table.with_columns(bound).with_columns(pl.col("bound").max().over("view"))
    return table.with_columns(certain=pl.col("z").abs() > pl.col("bound"))


def telling_features(case: Case) -> Estimate:
    """Number of single features (words, marks, lengths, orders, values) that surely tell the label; 0 is best.

    More than in real trials, at 1% for all features of four views together.
    """
    table = find_tells(case)
    return Estimate(float(table["certain"].sum()), n=len(table))


def telling_views(case: Case) -> set[str]:
    """Return the views (title, form, style, words) that have such a feature."""
    return set(find_tells(case).filter("certain")["view"])


def tells_table(case: Case) -> pl.DataFrame:
    """Return the features of each view that tell the label most, see `find_tells`."""
    table = find_tells(case).sort(pl.col("z").abs(), descending=True, maintain_order=True)
    numbers = pl.col(pl.Float32, pl.Float64).cast(pl.Float64).round(4)
    return table.group_by("view", maintain_order=True).head(SHOWN).with_columns(numbers)


METRICS = (Metric("leakage.tells", Direction.LOWER, 0, float("inf"), telling_features),)
