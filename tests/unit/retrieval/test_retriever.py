from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trialforge.app.search import describe_hits, make_filter
from trialforge.core.errors import ArtifactError, RetrievalError
from trialforge.retrieval.embedded import best_first
from trialforge.retrieval.exemplars import choose_exemplars
from trialforge.retrieval.factory import open_retriever
from trialforge.retrieval.params import Mode, RetrievalParams
from trialforge.retrieval.query import Filter, Query
from trialforge.retrieval.retriever import Retriever
from trialforge.retrieval.store import build_index


@pytest.fixture
def retriever(folder: Path, encoder: Any, params: RetrievalParams) -> Retriever:
    return open_retriever(folder, folder.with_suffix(".json"), encoder, params, {})


def ids(retriever: Retriever, query: Query) -> list[str]:
    return [hit.nct_id for hit in retriever.search(query)]


def test_words_find_the_trials_that_have_them_best_first(retriever: Retriever) -> None:
    assert ids(retriever, Query("insulin diabetes", "lexical", 3)) == ["NCT2", "NCT5"]


def test_filter_lets_only_its_trials_through(retriever: Retriever) -> None:
    for mode in ("lexical", "dense", "hybrid", "random"):
        query = Query("metformin diabetes adults", mode, 5, where=Filter("metformin", 1))
        assert set(ids(retriever, query)) == {"NCT1", "NCT5"}


def test_excluded_trial_is_never_answered(retriever: Retriever) -> None:
    for mode in ("lexical", "dense", "hybrid", "random"):
        query = Query("metformin diabetes", mode, 4, exclude=frozenset({"NCT5"}))
        assert "NCT5" not in ids(retriever, query)


def test_hybrid_hit_carries_the_scores_of_both_parts(retriever: Retriever) -> None:
    best = retriever.search(Query("aspirin after stroke", "hybrid", 1))[0]
    assert (best.nct_id, best.rank, best.lexical_rank, best.dense_rank) == ("NCT3", 1, 1, 2)
    assert best.fused_score == pytest.approx(1 / 61 + 1 / 62)


def test_random_draw_depends_on_the_seed_alone(retriever: Retriever) -> None:
    drawn = [ids(retriever, Query("x1", "random", 3, seed=seed)) for seed in (1, 1, 2, 3, 4)]
    assert drawn[0] == drawn[1]
    assert len({tuple(draw) for draw in drawn}) > 1


@pytest.mark.parametrize("text", ["", "  \n", "\x00\x1f"])
def test_query_without_words_is_an_error(retriever: Retriever, text: str) -> None:
    with pytest.raises(RetrievalError, match="the query has no words"):
        retriever.search(Query(text, "hybrid", 3))


@pytest.mark.parametrize(
    "text",
    ["diabetes " * 12_000, 'diabetes AND (title:* OR "x) ~ \\ / [1 TO', "dia\x00betes diabetes \ud800 x"],
)
def test_hostile_query_is_read_as_plain_words(retriever: Retriever, text: str) -> None:
    assert set(ids(retriever, Query(text, "lexical", 2))) == {"NCT2", "NCT5"}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200), mode=st.sampled_from(["lexical", "dense", "hybrid", "random"]))
def test_any_text_is_answered_or_has_no_words(retriever: Retriever, text: str, mode: Mode) -> None:
    try:
        found = ids(retriever, Query(text, mode, 3))
    except RetrievalError as error:
        assert "the query has no words" in str(error)  # noqa: PT017 - most texts have some
    else:
        assert len(set(found)) == len(found) <= 3
        assert set(found) <= set(retriever.pool.ids)


def test_index_is_the_same_bytes_again(
    folder: Path, train: pl.DataFrame, encoder: Any, params: RetrievalParams
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    build_index(train.reverse(), encoder, params, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_index_of_other_parameters_is_refused(folder: Path, encoder: Any, params: RetrievalParams) -> None:
    changed = params.model_copy(update={"lexical_fields": {"title": 1.0}})
    with pytest.raises(ArtifactError, match="made with another lexical_fields"):
        open_retriever(folder, folder.with_suffix(".json"), encoder, changed, {})


def test_index_that_is_not_whole_is_refused(folder: Path, encoder: Any, params: RetrievalParams) -> None:
    np.save(folder / "vectors.npy", np.zeros((2, 8), dtype=np.float32))
    with pytest.raises(ArtifactError, match="is not the one that"):
        open_retriever(folder, folder.with_suffix(".json"), encoder, params, {})


def test_equal_scores_at_the_edge_are_cut_in_order() -> None:
    scores = np.array([1, 2, 2, 2, 3], dtype=np.float32)
    assert best_first(scores, 3).tolist() == [4, 1, 2]


PLAN = {"target_id": "T1", "intervention": "metformin", "conditions": ["diabetes"], "phase": "Phase 2"}
BLOCKS = pl.DataFrame({"nct_id": ["NCT2", "NCT3", "NCT5"], "block": [0, 0, 1]})


def choose(retriever: Retriever, params: RetrievalParams, **target: object) -> list[tuple[str, str]]:
    asked = {"label": 1, "arm": "retrieval-reasoning", "seed": 7, "block": None}
    chosen = choose_exemplars(pl.DataFrame([PLAN | asked | target]), BLOCKS, retriever, params).sort("rank")
    assert chosen["rank"].to_list() == list(range(1, chosen.height + 1))
    return list(chosen.select("nct_id", "filter").iter_rows())


def test_exemplars_fall_back_to_other_interventions_then_to_all_and_say_so(
    retriever: Retriever, params: RetrievalParams
) -> None:
    chosen = choose(retriever, params.model_copy(update={"top_k": 4}))
    assert [name for _, name in chosen] == ["intervention+label"] * 2 + ["label", "none"]
    assert {nct_id for nct_id, _ in chosen[:2]} == {"NCT1", "NCT5"}
    assert chosen[2][0] == "NCT3"


def test_a_label_free_target_is_shown_the_same_trials_whatever_its_label(
    retriever: Retriever, params: RetrievalParams
) -> None:
    all_of_it = params.model_copy(update={"top_k": 4})
    chosen = [choose(retriever, all_of_it, arm="label-free", label=label) for label in (0, 1)]
    assert chosen[0] == chosen[1]
    assert {name for _, name in chosen[0]} == {"intervention", "none"}


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "dense", "random"])
def test_a_target_of_a_block_is_shown_trials_of_this_block_alone(
    retriever: Retriever, params: RetrievalParams, mode: str
) -> None:
    chosen = choose(retriever, params.model_copy(update={"mode": mode, "top_k": 4}), block=0)
    # NCT1 and NCT5 fit better and are of no block, and of another one.
    found = [("NCT3", "label"), ("NCT2", "none")]
    assert chosen == (found[1:] if mode == "lexical" else found)  # no word of the target is in NCT3


@pytest.mark.parametrize(
    ("arm", "count"),
    [
        ("no-reasoning", 3),
        ("random-exemplars", 3),
        ("no-retrieval", 0),
        ("model-alone", 0),
        ("plan-alone", 0),
    ],
)
def test_each_generation_arm_gets_what_it_is_due(
    retriever: Retriever, params: RetrievalParams, arm: str, count: int
) -> None:
    assert len(choose(retriever, params, arm=arm)) == count


def test_unknown_intervention_names_the_near_ones(retriever: Retriever) -> None:
    with pytest.raises(RetrievalError, match="no training trial has the intervention 'metformn'") as caught:
        make_filter(retriever.pool, "metformn", None)
    assert caught.value.hint == "similar names: metformin"


def test_described_hit_has_its_title_and_label(retriever: Retriever, folder: Path) -> None:
    hits = retriever.search(Query("stroke", "lexical", 1))
    (found,) = describe_hits([replace(hits[0])], folder)
    assert (found["nct_id"], found["title"], found["label"]) == ("NCT3", "Aspirin after stroke", 1)
