"""The quality of retrieval by mode, with intervals; and how far two backends agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trialforge.core.resampling import percentile_interval
from trialforge.core.rng import random_stream
from trialforge.retrieval.query import Query

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from trialforge.retrieval.params import Mode, RetrievalParams
    from trialforge.retrieval.retriever import Retriever
    from trialforge.retrieval.tasks import SearchTask

MODES: tuple[Mode, ...] = ("lexical", "dense", "hybrid", "random")
DEPTH = 50  # a trial ranked below counts as not found
AGREEMENT_HITS = 10
KNOWN_ITEM = {"R@1": "recall_1", "R@5": "recall_5", "R@10": "recall_10", "RR": "mrr", "nDCG@10": "ndcg_10"}
FILTERS = ("intervention+label", "label", "none")
SAME_CONDITION = {"P@5": "precision_5", "P@10": "precision_10"}


def measure_tasks(tasks: Mapping[str, SearchTask], params: RetrievalParams, seed: int) -> dict[str, float]:
    """Return `TASK.MODE.MEASURE` and its 95 % interval, `.low` and `.high`, by the bootstrap over searches.

    Known items also have `TASK.hybrid_gain.mrr`: hybrid minus the better of lexical and dense, paired;
    and as the task `known_items` the searches of all such tasks together.
    """
    metrics: dict[str, float] = {}
    known: dict[Mode, list[NDArray[np.float64]]] = {mode: [] for mode in MODES}

    def draw(name: str, count: int) -> NDArray[np.int64]:
        stream = random_stream(seed, "retrieval-bootstrap", name)
        return stream.integers(count, size=(params.evaluation.bootstrap, count))

    for name, task in tasks.items():
        metrics[f"{name}.queries"] = len(task.ids)
        if not task.ids:
            continue
        values = {mode: score_task(task, mode, seed) for mode in MODES}
        draws = draw(name, len(task.ids))
        for mode, measures in values.items():
            for measure, each in measures.items():
                metrics |= interval(f"{name}.{mode}.{measure}", each, draws)
        if task.known_item:
            metrics |= _hybrid_gain(name, {mode: values[mode]["mrr"] for mode in MODES}, draws)
            for mode in MODES:
                known[mode].append(values[mode]["mrr"])
    if known["hybrid"]:
        pooled = {mode: np.concatenate(each) for mode, each in known.items()}
        draws = draw("known_items", len(pooled["hybrid"]))
        for mode, each in pooled.items():
            metrics |= interval(f"known_items.{mode}.mrr", each, draws)
        metrics |= _hybrid_gain("known_items", pooled, draws)
    return metrics


def _hybrid_gain(
    name: str, mrr: Mapping[Mode, NDArray[np.float64]], draws: NDArray[np.int64]
) -> dict[str, float]:
    better = max(mrr["lexical"], mrr["dense"], key=np.mean)
    return interval(f"{name}.hybrid_gain.mrr", mrr["hybrid"] - better, draws)


def score_task(task: SearchTask, mode: Mode, seed: int) -> dict[str, NDArray[np.float64]]:
    """Return each measure's value for every search of a task; a trial never answers its own title."""
    run: dict[str, dict[str, float]] = {}
    for nct_id, text, vector in zip(task.ids, task.texts, task.vectors, strict=True):
        exclude = frozenset() if task.known_item else frozenset({nct_id})
        query = Query(text, mode, DEPTH, vector=vector, seed=seed, exclude=exclude)
        run[nct_id] = {hit.nct_id: 1.0 / hit.rank for hit in task.retriever.search(query)}
    names = KNOWN_ITEM if task.known_item else SAME_CONDITION
    return _score_run(run, task.relevant, task.ids, names)


def measure_agreement(one: Retriever, other: Retriever, texts: Sequence[str]) -> dict[str, float]:
    """Return the mean share of the first hits that two backends have in common, by mode."""
    vectors = one.encode(texts)
    shares: dict[Mode, list[float]] = {"lexical": [], "dense": []}
    for text, vector in zip(texts, vectors, strict=True):
        for mode, each in shares.items():
            query = Query(text, mode, AGREEMENT_HITS, vector=vector)
            first, second = ({hit.nct_id for hit in retriever.search(query)} for retriever in (one, other))
            each.append(len(first & second) / max(len(first), len(second)) if first | second else 1.0)
    means = {mode: round(float(np.mean(each)), 4) for mode, each in shares.items()}
    return {f"agreement.{mode}.overlap_{AGREEMENT_HITS}": mean for mode, mean in means.items()}


def summarise_exemplars(plan: pl.DataFrame, exemplars: pl.DataFrame, top_k: int) -> dict[str, float]:
    """Return how many targets have exemplars, how many lack some, and the share that each filter gave."""
    counts = exemplars.group_by("target_id").len()["len"]
    shares = dict(exemplars.group_by("filter").len().iter_rows())
    total = max(exemplars.height, 1)
    return {
        "exemplars.targets": len(counts),
        "exemplars.targets_without": plan.height - len(counts),
        "exemplars.targets_short": int((counts < top_k).sum()),
        "exemplars.distinct_trials": exemplars["nct_id"].n_unique(),
        **{f"exemplars.share.{name}": round(shares.get(name, 0) / total, 4) for name in FILTERS},
    }


def interval(name: str, values: NDArray[np.float64], draws: NDArray[np.int64]) -> dict[str, float]:
    """Return the mean of `values` and the middle 95 % of its means over resampled searches, rounded."""
    means = values[draws].mean(axis=1)
    low, high = percentile_interval(means)
    found = {name: values.mean(), f"{name}.low": low, f"{name}.high": high}
    return {key: round(float(value), 4) for key, value in found.items()}


def _score_run(
    run: Mapping[str, Mapping[str, float]],
    relevant: Mapping[str, set[str]],
    ids: Sequence[str],
    names: Mapping[str, str],
) -> dict[str, NDArray[np.float64]]:
    import ir_measures

    judged = {nct_id: dict.fromkeys(sorted(relevant[nct_id]), 1) for nct_id in ids}
    answered = {nct_id: hits for nct_id, hits in run.items() if hits}
    measures = [ir_measures.parse_measure(name) for name in names]
    found = {
        (str(each.measure), each.query_id): each.value
        for each in ir_measures.iter_calc(measures, judged, answered)
    }
    return {
        short: np.array([found.get((name, nct_id), 0.0) for nct_id in ids]) for name, short in names.items()
    }
