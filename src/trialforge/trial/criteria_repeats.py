"""Which criteria say again what another one says: a small model repeats itself and adds a word or two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_WORD = re.compile(r"\w+[+-](?!\w)|\w+|[<>≤≥]")  # HER2+ is not HER2-, and above a bound is not below it
_NUMBER = re.compile(r"\d+|\b[A-Z]\b")  # also of a cohort
_POLAR = frozenset(
    (
        "no", "not", "never", "without", "absence", "absent", "except", "unless", "unable", "unwilling",
        "cannot", "negative", "positive", "normal", "abnormal", "low", "high", "less", "more", "below",
        "above",
    )
)  # fmt: skip
_NGRAM = 3
_LEAST_NGRAMS = 3  # of an item that may have other words as well and still repeat another one
_SHARED = 0.85  # share of the n-grams of the shorter item
_LEAST_WORDS = 4  # of an item that says enough to contradict another one
_LOOP, _LOOP_NGRAMS = 0.6, 8  # share of an item's n-grams that differ, and how many it has at least


class _Item(NamedTuple):
    """What a criterion says, for comparison; where numbers or polar words differ, it says another thing."""

    words: list[str]
    ngrams: set[tuple[str, ...]]
    numbers: set[str]
    polar: frozenset[str]


def find_repeats(items: Sequence[str]) -> list[int]:
    """Return the places of items that repeat an earlier one, or most of it and more."""
    read = [_read(item) for item in items]
    return [place for place, item in enumerate(read) if any(_repeats(item, one) for one in read[:place])]


def find_opposed(included: Sequence[str], excluded: Sequence[str]) -> list[str]:
    """Return the exclusion items that repeat an inclusion item, or most of it and more."""
    read = [_read(item) for item in included]
    long = [item for item in excluded if len(item.split()) >= _LEAST_WORDS]
    return [item for item in long if any(_repeats(_read(item), one) for one in read)]


def find_shared(included: Sequence[str], excluded: Sequence[str]) -> list[str]:
    """Return the exclusion items that are an inclusion item, in the same words."""
    read = [_read(item).words for item in included]
    return [item for item in excluded if _read(item).words in read]


def find_loops(items: Sequence[str]) -> list[str]:
    """Return the items that say the same words again and again."""
    runs = {item: _runs(_WORD.findall(item.casefold())) for item in items}
    return [
        item
        for item, found in runs.items()
        if len(found) >= _LOOP_NGRAMS and len({*found}) <= _LOOP * len(found)
    ]


def _read(item: str) -> _Item:
    words = _WORD.findall(item.casefold())
    return _Item(words, {*_runs(words)}, {*_NUMBER.findall(item)}, _POLAR & {*words})


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(_NGRAM)), strict=False))


def _repeats(one: _Item, other: _Item) -> bool:
    if one.words == other.words:
        return True
    shorter, longer = sorted((one, other), key=lambda item: len(item.ngrams))
    return (
        len(shorter.ngrams) >= _LEAST_NGRAMS
        and shorter.polar == longer.polar
        and shorter.numbers <= longer.numbers
        and len(shorter.ngrams & longer.ngrams) >= _SHARED * len(shorter.ngrams)
    )
