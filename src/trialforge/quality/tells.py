"""Which single word, mark, length, order, number or value tells the label, and more than in real trials?

A classifier of all features at once hides a leak among thousands of words. Here each feature is tested by
itself, against the largest that chance gives of any feature of its view.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
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
from trialforge.trial.record import TRIAL_SCHEMA
from trialforge.trial.text import field_text

FLIPS = 399  # a feature is certain where none of so many random signs gives one of its view as much
FEWEST = 5  # records that have a feature
PRIOR = 10.0  # real trials without a difference, added to those that say how much a feature tells
KNOWN = 2.0  # standard errors from which on real trials are taken to tell a label by a feature
SHRINK = 2.0  # records of the usual label, added to those of an intervention
SHOWN = 10  # features of a view in the table
_ANY = "any field"
_QUARTERS = tuple(f"in the {which} quarter" for which in ("lowest", "second", "third", "highest"))
_WORD = re.compile(r"[^\W_]+")
_SHAPE = re.compile(r"[A-Z]{2,}|[A-Z][a-z]+|[a-z]+|[A-Z]|\d+|.", re.DOTALL)
_COUNTS = (
    "words", "lines", "words of a line", "lines in order of the alphabet", "lines longer than the last",
)  # fmt: skip
_RARE = "word pairs that no other record has"
_AMOUNTS = tuple(name for name in VALUES if TRIAL_SCHEMA[name].is_numeric())
_TYPED = ("arms", "interventions")  # lists of things, each of a type


def _inner(name: str, part: str) -> pl.Expr:
    """Return the lists that the things of a field hold, as one text."""
    inner = pl.element().struct.field(part)
    texts = pl.when(inner.list.len() > 0).then(inner.list.join("\n"))
    return pl.col(name).list.eval(texts).list.join("\n", ignore_nulls=True)


# All text that a learner may read of a trial, also what the views leave out.
_TEXTS = TEXT_PARTS | {
    f"{name}.{part}": _inner(name, part)
    for name, part in (("interventions", "other_names"), ("arms", "interventions"))
}


@dataclass(frozen=True, slots=True)
class _Tested:
    """What each feature has in common with the label: its score, the variance of it, and its own spread."""

    score: np.ndarray
    variance: np.ndarray
    spread: np.ndarray
    flipped: np.ndarray


def _said_by_values(frame: pl.DataFrame) -> list[set[str]]:
    """Return the names of what closed fields say of each record: values, types, and how numbers end."""
    whole = {name: pl.col(name).cast(pl.Int64) for name in _AMOUNTS}
    columns = (
        {(name, "value"): pl.concat_list(field_text(name).fill_null("none")) for name in VALUES}
        | {(name, "a type"): pl.col(name).list.eval(pl.element().struct.field("type")) for name in _TYPED}
        | {(name, "last digit"): pl.concat_list(number % 10) for name, number in whole.items()}
        | {(name, "rest by 2"): pl.concat_list(number % 2) for name, number in whole.items()}
    )
    said: list[set[str]] = [set() for _ in range(len(frame))]
    for (field, kind), column in columns.items():
        for mine, values in zip(said, frame.select(what=column)["what"].to_list(), strict=True):
            mine |= {_name("form", field, kind, str(one)) for one in values or () if one is not None}
    return said


def _name(view: str, field: str, kind: str, what: str) -> str:
    return "\t".join((view, field, f"{kind} {what!r}" if what else kind))


def _read_words(text: str) -> tuple[set[str], dict[str, str]]:
    """Return the words and pairs of words of a text, and the words at its ends."""
    lines = [found for line in text.lower().split("\n") if (found := _WORD.findall(line))]
    grams = {gram for line in lines for gram in (*line, *map(" ".join, pairwise(line)))}
    if not lines:
        return grams, {}
    return grams, {"first": lines[0][0], "last": lines[-1][-1], "last line begins with": lines[-1][0]}


def _read_marks(text: str) -> set[str]:
    """Return the marks of a text with what stands by them: words and numbers are only their shape."""
    shapes = [_shape(token) for token in _SHAPE.findall(f"\n{text}\n")] if text else []
    return {*shapes, *map("".join, pairwise(shapes))}


def _shape(token: str) -> str:
    if token.isdigit():
        return "9"
    if not token.isascii() or not token.isalpha():
        return token
    if token.islower():
        return "a"
    return "Aa" if token[1:2].islower() else "A" * min(len(token), 2)


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


def _read_record(texts: dict[str, str], values: set[str]) -> list[str]:
    """Return the names of what a record has: words, marks, ends, lengths and `values`, by field or any."""
    found = {*values}
    every: dict[str, set[str]] = {"word": set(), "mark": set()}
    for name, text in texts.items():
        words, ends = _read_words(text)
        marks = _read_marks(text)
        found |= {_name("title" if name == "title" else "words", name, "word", word) for word in words}
        found |= {_name("style", name, "mark", mark) for mark in marks}
        found |= {_name("form", name, kind, word) for kind, word in ends.items()}
        found |= {
            _name("form", name, "filled" if text else "empty", ""),
            _name("form", name, "characters", str(len(text))),
            _name("form", name, "lines", str(lines := text.count("\n") + 1)),
            _name("form", name, "lines, rest by 2", str(lines % 2)),
        }
        every["word"] |= words
        every["mark"] |= marks
    found |= {_name("words", _ANY, "word", word) for word in every["word"]}
    found |= {_name("style", _ANY, "mark", mark) for mark in every["mark"]}
    return sorted(found)


def _read_all(frame: pl.DataFrame) -> tuple[list[list[str]], np.ndarray]:
    """Return what each record has, and its numbers, one column for each of NUMBERS."""
    texts = frame.select(text.fill_null("").alias(name) for name, text in _TEXTS.items())
    values = _said_by_values(frame)
    amounts = frame.select(pl.col(_AMOUNTS).cast(pl.Float64).fill_null(-1)).to_numpy()
    by_record = texts.to_dicts()
    said = [_read_record(*one) for one in zip(by_record, values, strict=True)]
    counts = [[number for text in one.values() for number in _count(text)] for one in by_record]
    rare = _rare_share("\n".join(one.values()) for one in by_record)
    style = style_features(frame, tuple(TEXT_PARTS))
    return said, np.column_stack([form_features(frame), amounts, style, np.array(counts), rare])


NUMBERS = (
    *(_name("form", field, what, "") for field, what in FORM_NAMES),
    *(_name("form", name, "amount", "") for name in _AMOUNTS),
    *(_name("style", _ANY, what, "") for what in STYLE_NAMES),
    *(_name("form", field, what, "") for field in _TEXTS for what in _COUNTS),
    _name("words", _ANY, _RARE, ""),
)


def _read_features(ours: pl.DataFrame, real: pl.DataFrame) -> tuple[list[str], list[sparse.csr_matrix]]:
    """Return the names of the features of our records, and the rows of both sets.

    A record has 1 for what is said of it, where FEWEST of ours have it; of each number the rank among ours,
    from -1 to 1, and 1 for the quarter that it lies in.
    """
    read = [_read_all(frame) for frame in (ours, real)]
    having = Counter(name for record in read[0][0] for name in record)
    known = sorted(name for name, count in having.items() if FEWEST <= count < len(ours))
    counter = CountVectorizer(analyzer=list, vocabulary=known or ["none"], dtype=np.float32)
    edges = np.sort(read[0][1], axis=0)
    varied = np.flatnonzero(edges[0] < edges[-1])
    rows = [
        sparse.hstack([counter.transform(said), _rank_numbers(numbers[:, varied], edges[:, varied])]).tocsr()
        for said, numbers in read
    ]
    numbered = [f"{NUMBERS[place]}, {part}" for place in varied for part in ("more", *_QUARTERS)]
    return [*(known or [_name("words", _ANY, "none", "")]), *numbered], rows


def _rank_numbers(numbers: np.ndarray, edges: np.ndarray) -> sparse.csr_matrix:
    columns = []
    for mine, sorted_ours in zip(numbers.T, edges.T, strict=True):
        places = [np.searchsorted(sorted_ours, mine, side) for side in ("left", "right")]
        rank = np.add(*places) / 2 / len(edges)
        quarter = np.minimum((rank * len(_QUARTERS)).astype(int), len(_QUARTERS) - 1)
        columns += [2 * rank - 1, *(quarter == one for one in range(len(_QUARTERS)))]
    shape = len(numbers), len(columns)
    return sparse.csr_matrix(np.array(columns, dtype=np.float32).reshape(shape[::-1]).T)


def _residuals(side: Side) -> np.ndarray:
    """Return labels less what the intervention tells: its mean, or where it has few that of all."""
    labels, usual = side.labels.astype(float), float(side.labels.mean())
    codes = np.unique(side.interventions.to_numpy().astype(str), return_inverse=True)[1]
    means = (np.bincount(codes, labels) + SHRINK * usual) / (np.bincount(codes) + SHRINK)
    left = labels - means[codes]
    residuals: np.ndarray = left - left.mean()
    return residuals


def _test(side: Side, rows: sparse.csr_matrix, stream: np.random.Generator) -> _Tested:
    """Return the score of each feature, and what it would be if the sign of each exemplar set were random."""
    residuals, mean = _residuals(side), np.asarray(rows.mean(axis=0)).ravel()
    groups = np.empty(len(side), dtype=np.int64)
    groups[side.clusters.order] = np.repeat(np.arange(len(side.clusters)), np.diff(side.clusters.starts))
    sums = sparse.csr_matrix(
        (residuals, (groups, np.arange(len(side)))), shape=(len(side.clusters), len(side))
    )
    parts, all_of = (sums @ rows).tocsr(), np.bincount(groups, residuals)
    square = np.asarray(parts.multiply(parts).sum(axis=0)).ravel()
    variance = square - 2 * mean * (parts.T @ all_of) + mean**2 * float(all_of @ all_of)
    signs = stream.choice([-1.0, 1.0], (FLIPS, len(all_of)))
    flipped = np.asarray((parts.T @ signs.T).T - np.outer(signs @ all_of, mean), dtype=np.float32)
    spread = np.asarray(rows.multiply(rows).sum(axis=0)).ravel() - len(side) * mean**2
    score = np.asarray(rows.T @ residuals).ravel()
    return _Tested(score, np.maximum(variance, 1e-9), np.maximum(spread, 0), flipped)


def _excess(ours: _Tested, real: _Tested, scores: np.ndarray, real_scores: np.ndarray) -> np.ndarray:
    """Return by how many standard errors features tell the label, and more than real trials have it."""
    share = ours.spread / (real.spread + PRIOR)
    known = np.abs(real_scores) > KNOWN * np.sqrt(real.variance)
    beyond = (scores - known * share * real_scores) / np.sqrt(
        ours.variance + known * share**2 * real.variance
    )
    alone = scores / np.sqrt(ours.variance)
    same = np.sign(beyond) == np.sign(alone)
    found: np.ndarray = np.where(same, np.sign(alone) * np.minimum(np.abs(beyond), np.abs(alone)), 0)
    return found


@lru_cache(maxsize=8)
def find_tells(case: Case) -> pl.DataFrame:
    """Return each feature of the records, and whether it surely tells the label, more than in real trials.

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
        side.labelled().draw(case.params.max_probe_records, stream)
        for side in (case.candidates, case.reference)
    ]
    if any(len(np.unique(side.labels)) < 2 for side in sides):
        raise MetricError("both sets need records of both labels to say what tells them")
    names, rows = _read_features(sides[0].frame, sides[1].frame)
    ours, real = (_test(side, matrix, stream) for side, matrix in zip(sides, rows, strict=True))
    z = _excess(ours, real, ours.score, real.score)
    largest = np.zeros(len(names))
    for flipped in zip(ours.flipped, real.flipped, strict=True):
        np.maximum(largest, np.abs(_excess(ours, real, *flipped)), out=largest)
    means = {
        f"{name}_{label}": np.asarray(matrix[side.labels == label].mean(axis=0)).ravel()
        for name, side, matrix in zip(("with", "real"), sides, rows, strict=True)
        for label in (1, 0)
    }
    table = pl.DataFrame(
        [name.split("\t") for name in names], schema=["view", "field", "feature"], orient="row"
    ).with_columns(**{name: pl.Series(mean) for name, mean in means.items()}, z=pl.Series(z))
    table = table.with_columns(bound=pl.Series(largest)).with_columns(pl.col("bound").max().over("view"))
    # Few exemplar sets have few signs, and theirs are among these: as much is not more.
    return table.with_columns(certain=pl.col("z").abs() > 1.001 * pl.col("bound"))


def telling_features(case: Case) -> Estimate:
    """Number of single features (words, marks, lengths, orders, values) that surely tell the label.

    More than in real trials, at 1% for all features of four views together; 0 is best.
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
