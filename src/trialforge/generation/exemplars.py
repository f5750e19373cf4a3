"""Exemplars: which targets are shown the same ones, in which order, and cut to the room that a prompt has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from trialforge.core.files import hash_json
from trialforge.core.rng import random_stream

ExemplarOrder = Literal["mixed", "shuffled"]
_GROUP = ("intervention", "label", "arm")


def exemplar_sets(plan: pl.DataFrame, exemplars: pl.DataFrame, *, count: int, share: bool) -> pl.DataFrame:
    """Return `intervention`, `label`, `arm`, `exemplars`, `targets`: one row a set, in the plan's order.

    With `share`, the targets of one intervention, label and arm are shown the same `count` exemplars:
    those with the highest sum of reciprocal ranks over these targets. Otherwise each target keeps the
    `count` best of its own. A target without exemplars has an empty set.
    """
    places = plan.select("target_id", *_GROUP).with_row_index("place")
    ranked = places.join(exemplars.select("target_id", "nct_id", "rank"), on="target_id")
    owner = list(_GROUP) if share else [*_GROUP, "target_id"]
    scored = ranked.group_by(*owner, "nct_id").agg(score=(1 / pl.col("rank")).sum())
    best = scored.sort([*owner, "score", "nct_id"], descending=[False] * len(owner) + [True, False])
    chosen = best.group_by(owner, maintain_order=True).agg(exemplars=pl.col("nct_id").head(count).sort())
    owned = places.join(chosen, on=owner, how="left", nulls_equal=True).with_columns(
        pl.col("exemplars").fill_null([])
    )
    sets = owned.group_by(*_GROUP, "exemplars", maintain_order=True).agg(
        targets=pl.col("target_id"), place=pl.col("place").min()
    )
    return sets.sort("place").drop("place")


def exemplar_rows(train: pl.DataFrame, sets: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the train trials that stand in `exemplars` of any of the sets, by id."""
    shown = {name for group in sets for name in group["exemplars"]}
    return {row["nct_id"]: row for row in train.filter(pl.col("nct_id").is_in(shown)).to_dicts()}


def name_set(intervention: str, label: int, arm: str, exemplars: list[str]) -> str:
    """Return the id of an exemplar set, by what decides it."""
    return f"R-{hash_json([intervention, label, arm, exemplars])[:12]}"


def order_exemplars(
    exemplars: list[str], labels: dict[str, int | None], order: ExemplarOrder, seed: int
) -> list[str]:
    """Return the ids in prompt order: labels alternating (`mixed`), or by a seeded shuffle."""
    if order == "shuffled":
        shuffled = sorted(exemplars)
        random_stream(seed, "exemplar order", *shuffled).shuffle(shuffled)
        return shuffled
    kinds = [[name for name in sorted(exemplars) if labels[name] == kind] for kind in (1, 0, None)]
    places = [(index, kind, name) for kind, names in enumerate(kinds) for index, name in enumerate(names)]
    return [name for _, _, name in sorted(places)]


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


# Registry English has 3.5 or more in the vocabularies of the models tried, JSON and numbers included. The
# engine counts exactly before each call, and refuses what still doesn't fit.
BYTES_PER_TOKEN = 3
FRAME_TOKENS = 500  # of a prompt beside its exemplars' fields and its reasons, and of what the engine adds


def count_at_most(text: str) -> int:
    """Return a bound of the tokens of a text, which is the same for every model and costs no call."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)
