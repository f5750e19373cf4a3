"""Which criteria say again what another one says: a small model repeats itself and changes a word or two."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+|[<>≤≥]")  # below and above a bound is not the same
_NGRAM = 3
_LEAST_NGRAMS = 3  # of an item that may differ from another one and still repeat it
_SHARED = 0.8  # share of the n-grams of the shorter item
_LEAST_WORDS = 4  # of an item that says enough to contradict another one
_LOOP, _LOOP_NGRAMS = 0.6, 8  # share of an item's n-grams that differ, and how many it has at least


def find_repeats(items: Sequence[str]) -> list[int]:
    """Return the places of items that repeat an earlier one, or most of it and more."""
    ngrams = [_ngrams(item) for item in items]
    words = [_words(item) for item in items]
    return [
        place
        for place in range(1, len(items))
        if words[place] in words[:place] or any(_repeats(ngrams[place], one) for one in ngrams[:place])
    ]


def find_opposed(included: Sequence[str], excluded: Sequence[str], *, exactly: bool = False) -> list[str]:
    """Return the exclusion items that repeat an inclusion item, `exactly` or most of it and more."""
    words = [_words(item) for item in included]
    ngrams = [] if exactly else [_ngrams(item) for item in included]
    return [
        item
        for item in excluded
        if (len(_words(item)) >= _LEAST_WORDS and _words(item) in words)
        or any(_repeats(_ngrams(item), one) for one in ngrams)
    ]


def find_loops(items: Sequence[str]) -> list[str]:
    """Return the items that say the same words again and again."""
    runs = {item: _runs(item) for item in items}
    return [
        item
        for item, found in runs.items()
        if len(found) >= _LOOP_NGRAMS and len({*found}) <= _LOOP * len(found)
    ]


def _repeats(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> bool:
    shorter = min(len(one), len(other))
    return shorter >= _LEAST_NGRAMS and len(one & other) >= _SHARED * shorter


def _ngrams(item: str) -> set[tuple[str, ...]]:
    return {*_runs(item)}


def _runs(item: str) -> list[tuple[str, ...]]:
    words = _words(item)
    return list(zip(*(words[start:] for start in range(_NGRAM)), strict=False))


def _words(item: str) -> list[str]:
    return _WORD.findall(item.casefold())
