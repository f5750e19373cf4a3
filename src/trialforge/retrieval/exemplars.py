"""The exemplars of each target: what is asked of the index, and what is done when too few trials fit."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from trialforge.retrieval.query import Filter, Query
from trialforge.trial.generation_arms import WITHOUT_EXEMPLARS
from trialforge.trial.label_words import told_label

if TYPE_CHECKING:
    from trialforge.retrieval.params import Mode, RetrievalParams
    from trialforge.retrieval.retriever import Retriever

EXEMPLAR_SCHEMA: dict[str, pl.DataType] = {
    "target_id": pl.String(), "rank": pl.Int64(), "nct_id": pl.String(), "filter": pl.String(),
    "lexical_score": pl.Float64(), "lexical_rank": pl.Int64(), "dense_score": pl.Float64(),
    "dense_rank": pl.Int64(), "fused_score": pl.Float64(),
}  # fmt: skip


def mode_of_arm(arm: str, mode: Mode) -> Mode | None:
    """Return how a generation arm retrieves; None for the arms that are shown no exemplars."""
    if arm in WITHOUT_EXEMPLARS:
        return None
    return "random" if arm == "random-exemplars" else mode


def target_text(target: dict[str, Any]) -> str:
    """Return what is searched for a target: its intervention, conditions and phase."""
    return " ".join(filter(None, [target["intervention"], *(target["conditions"] or []), target["phase"]]))


def filter_ladder(target: dict[str, Any], among: frozenset[str] | None) -> list[tuple[str, Filter]]:
    """Return the filters to try in turn while exemplars are lacking, each with its name.

    The label is given up last: an exemplar of another intervention still shows how trials succeed or
    fail, one of the other label shows the opposite of what is asked for. A target that is told no label is
    shown both. What is not among the trials of the target's block is never shown.
    """
    label = told_label(target["arm"], target["label"])
    if label is None:
        return [
            ("intervention", Filter(target["intervention"], None, among)),
            ("none", Filter(among=among)),
        ]
    return [
        ("intervention+label", Filter(target["intervention"], label, among)),
        ("label", Filter(None, label, among)),
        ("none", Filter(among=among)),
    ]


def choose_exemplars(
    plan: pl.DataFrame, blocks: pl.DataFrame | None, retriever: Retriever, params: RetrievalParams
) -> pl.DataFrame:
    """Return EXEMPLAR_SCHEMA: `top_k` exemplars a target, with the filter that each one passed.

    Args:
        plan: the targets; one with a `block` is shown trials of this block alone.
        blocks: `nct_id` and `block`; None or no row where no target has a block.
        retriever: searches the pool.
        params: how it searches.
    """
    placed = () if blocks is None else blocks.group_by("block").agg("nct_id").iter_rows()
    members = {block: frozenset(ids) for block, ids in placed}
    targets = [row for row in plan.iter_rows(named=True) if mode_of_arm(row["arm"], params.mode)]
    texts = [target_text(target) for target in targets]
    vectors = retriever.encode(texts) if texts and params.mode in ("dense", "hybrid") else [None] * len(texts)
    rows: list[dict[str, Any]] = []
    for target, text, vector in zip(targets, texts, vectors, strict=True):
        mode = mode_of_arm(target["arm"], params.mode) or params.mode
        query = Query(
            text, mode, params.top_k, vector=vector, mmr_lambda=params.mmr_lambda, seed=target["seed"]
        )
        ladder = filter_ladder(target, None if target["block"] is None else members[target["block"]])
        rows.extend({"target_id": target["target_id"], **row} for row in _climb(ladder, query, retriever))
    return pl.DataFrame(rows, schema=EXEMPLAR_SCHEMA)


def _climb(ladder: list[tuple[str, Filter]], query: Query, retriever: Retriever) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, where in ladder:
        taken = frozenset(row["nct_id"] for row in rows)
        wanted = query.top_k - len(taken)
        if not wanted:
            break
        hits = retriever.search(replace(query, where=where, top_k=wanted, exclude=taken))
        rows.extend({**asdict(hit), "filter": name, "rank": len(taken) + hit.rank} for hit in hits)
    return rows
