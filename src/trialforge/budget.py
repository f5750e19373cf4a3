"""Texts cut to a budget of tokens: what goes first is decided by the order of fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

CUT_MARK = "[...]"
MIN_WORDS = 5  # a field cut to fewer words than this says nothing: it is dropped


@dataclass(frozen=True, slots=True)
class FittedTexts:
    """What is left of each record, and what is not: (record number, field) of the cut and the dropped."""

    records: list[dict[str, str]]
    cut: list[tuple[int, str]]
    dropped: list[tuple[int, str]]


def fit_to_budget(
    records: Sequence[Mapping[str, str]], count_tokens: Callable[[str], int], budget: int
) -> FittedTexts:
    """Return records whose fields together count at most `budget` tokens.

    The first field of every record is kept before the second of any: the order of keys, which all
    records share, is the order of worth. The field that no longer fits whole shares what is left
    evenly among the records; there a text ends at a word with CUT_MARK. Later fields are dropped.

    Args:
        records: texts by field, as they will be shown (headings included); empty texts are left out.
        count_tokens: tokens of a text.
        budget: bound of the sum over all fields of all records.
    """
    kept: list[dict[str, str]] = [{} for _ in records]
    cut: list[tuple[int, str]] = []
    dropped: list[tuple[int, str]] = []
    left = budget
    for name in dict.fromkeys(name for record in records for name in record):
        texts = {number: record[name] for number, record in enumerate(records) if record.get(name)}
        sizes = {number: count_tokens(text) for number, text in texts.items()}
        fits = sum(sizes.values()) <= left
        shares = sizes if fits else _share(sizes, left)
        for number, text in texts.items():
            shown = text if sizes[number] <= shares[number] else cut_text(text, count_tokens, shares[number])
            if shown is None:
                dropped.append((number, name))
                continue
            kept[number][name] = shown
            if shown != text:
                cut.append((number, name))
        left = left - sum(sizes.values()) if fits else 0
    return FittedTexts(kept, cut, dropped)


def cut_text(text: str, count_tokens: Callable[[str], int], budget: int) -> str | None:
    """Return the longest run of first words that, with CUT_MARK, counts at most `budget` tokens.

    None where fewer than MIN_WORDS words fit. Line ends are kept.
    """
    ends = [end for end in range(1, len(text) + 1) if end == len(text) or text[end].isspace()]
    ends = [end for end in ends if not text[end - 1].isspace()]
    low, high = MIN_WORDS, len(ends) - 1
    best = None
    while low <= high:
        middle = (low + high) // 2
        candidate = f"{text[: ends[middle - 1]]} {CUT_MARK}"
        if count_tokens(candidate) <= budget:
            best, low = candidate, middle + 1
        else:
            high = middle - 1
    return best


def _share(sizes: Mapping[int, int], budget: int) -> dict[int, int]:
    """Return even shares of the budget; what a short text leaves goes to the longer ones."""
    shares = {}
    for done, number in enumerate(sorted(sizes, key=lambda number: (sizes[number], number))):
        shares[number] = min(sizes[number], budget // (len(sizes) - done))
        budget -= shares[number]
    return shares
