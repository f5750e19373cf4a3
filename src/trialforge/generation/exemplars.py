"""Exemplars: which targets are shown the same ones, in which order, and how much room they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import polars as pl

from trialforge.core.files import hash_json
from trialforge.core.rng import random_stream

ExemplarOrder = Literal["mixed", "shuffled"]
_GROUP = ("intervention", "label", "arm", "block")


def exemplar_sets(plan: pl.DataFrame, exemplars: pl.DataFrame, *, count: int, share: bool) -> pl.DataFrame:
    """Return `intervention`, `label`, `arm`, `block`, `exemplars`, `targets`: one row a set, in plan order.

    With `share`, the targets of one intervention, label, arm and block are shown the same `count` exemplars:
    those with the highest sum of reciprocal ranks over these targets. Otherwise each target keeps the
    `count` best of its own. Both targets of a pair are shown the same: half of the `count`, rounded up, of
    each one's. A target without exemplars has an empty set.
    """
    places = plan.select("target_id", *_GROUP, "pair").with_row_index("place")
    ranked = places.join(exemplars.select("target_id", "nct_id", "rank"), on="target_id")
    owner = list(_GROUP) if share else [*_GROUP, "target_id", "pair"]
    scored = ranked.group_by(*owner, "nct_id").agg(score=(1 / pl.col("rank")).sum())
    best = scored.sort([*owner, "score", "nct_id"], descending=[False] * len(owner) + [True, False])
    paired = plan["pair"].is_not_null().all()  # a plan has pairs alone, or none
    most = -(-count // 2) if paired else count
    chosen = best.group_by(owner, maintain_order=True).agg(pl.col("nct_id").head(most))
    shown_by = [name for name in owner if not (paired and name in ("label", "target_id"))]
    shown = (
        chosen.explode("nct_id")
        .group_by(shown_by, maintain_order=True)
        .agg(exemplars=pl.col("nct_id").unique().sort())
    )
    owned = places.join(shown, on=shown_by, how="left", nulls_equal=True).with_columns(
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


# Registry English has 3.5 or more in the vocabularies of the models tried, JSON and numbers included. The
# engine counts exactly before each call, and refuses what still doesn't fit.
BYTES_PER_TOKEN = 3
FRAME_TOKENS = 500  # of a prompt beside its exemplars' fields and its reasons, and of what the engine adds


def count_at_most(text: str) -> int:
    """Return a bound of the tokens of a text, which is the same for every model and costs no call."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)
