"""Searches whose right answers are known without a human judgement.

- `title`: a trial is looked for by its title, in an index without titles;
- `criteria`: a trial is looked for by its summary, in an index of nothing but criteria;
- `condition`: hits of a title are right when they share one of the registry's MeSH terms of the
  condition, which no index reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.core.rng import random_stream
from trialforge.retrieval.documents import embed_field, make_documents, pool_fields, text_columns
from trialforge.retrieval.embedded import EmbeddedBackend
from trialforge.retrieval.lexical import build_impacts
from trialforge.retrieval.pool import Pool
from trialforge.retrieval.retriever import Retriever

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Encoder, Matrix
    from trialforge.retrieval.params import RetrievalParams


@dataclass(frozen=True, slots=True)
class SearchTask:
    """Searches, one a trial that asks: its words, its vector, and the trials that are right answers."""

    retriever: Retriever
    ids: list[str]
    texts: list[str]
    vectors: Matrix
    relevant: Mapping[str, set[str]]
    known_item: bool


def make_tasks(
    train: pl.DataFrame, encoder: Encoder, params: RetrievalParams, seed: int
) -> dict[str, SearchTask]:
    """Return the tasks by name: `evaluation.queries` searches each, among at most `evaluation.trials`."""
    train = _sample(train.sort("nct_id"), params.evaluation.trials, seed, "trials")
    embedded = dict.fromkeys(["title", "summary", "criteria", *params.dense_fields])
    documents = make_documents(train, embedded | dict.fromkeys(params.lexical_fields))
    texts = text_columns(documents)
    vectors = {name: embed_field(texts[name], encoder) for name in embedded}

    def index(lexical: Mapping[str, float], dense: Mapping[str, float]) -> Retriever:
        pool = Pool(documents, pool_fields((vectors[name], weight) for name, weight in dense.items()))
        impacts = build_impacts(texts, lexical, params.bm25)
        return Retriever(pool, EmbeddedBackend(pool, impacts), encoder, params)

    def ask(
        name: str,
        retriever: Retriever,
        field: str,
        possible: pl.Series,
        relevant: Mapping[str, set[str]] | None = None,
    ) -> SearchTask:
        able = pl.DataFrame({"row": np.flatnonzero(possible.to_numpy())})
        rows = _sample(able, params.evaluation.queries, seed, name)["row"].to_numpy()
        ids = [retriever.pool.ids[row] for row in rows]
        known = {nct_id: {nct_id} for nct_id in ids}
        asked = texts[field].gather(rows).to_list()
        return SearchTask(retriever, ids, asked, vectors[field][rows], relevant or known, relevant is None)

    titled = texts["title"].is_not_null()
    described = texts["summary"].is_not_null() & texts["criteria"].is_not_null()
    kin = related_trials(train)
    related = titled & documents["nct_id"].is_in(list(kin))
    untitled = index(_without_title(params.lexical_fields), _without_title(params.dense_fields))
    whole = index(params.lexical_fields, params.dense_fields)
    return {
        "title": ask("title", untitled, "title", titled),
        "criteria": ask("criteria", index({"criteria": 1.0}, {"criteria": 1.0}), "summary", described),
        "condition": ask("condition", whole, "title", related, kin),
    }


def related_trials(train: pl.DataFrame) -> dict[str, set[str]]:
    """Return, for each trial with others of its condition, the trials that share a MeSH term with it."""
    terms = train.select("nct_id", pl.col("condition_mesh").alias("term")).explode("term").drop_nulls()
    members = {term: set(ids) for term, ids in terms.group_by("term").agg("nct_id").iter_rows()}
    kin: dict[str, set[str]] = {}
    for nct_id, term in terms.iter_rows():
        kin.setdefault(nct_id, set()).update(members[term] - {nct_id})
    return {nct_id: others for nct_id, others in kin.items() if others}


def _without_title(weights: Mapping[str, float]) -> dict[str, float]:
    left = {name: weight for name, weight in weights.items() if name != "title"}
    return left or {"summary": 1.0}


def _sample(frame: pl.DataFrame, size: int, seed: int, name: str) -> pl.DataFrame:
    rows = random_stream(seed, "retrieval-tasks", name).permutation(frame.height)[:size]
    return frame[np.sort(rows).tolist()] if frame.height > size else frame
