"""The best of several drafts of a target: the likeliest to be a real trial, and one of its label."""

from __future__ import annotations

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from trialforge.trial.text import field_texts, filled_fields

FOLDS = 5


def score_drafts(drafts: pl.DataFrame, real: pl.DataFrame) -> pl.Series:
    """Return log P(label | text) + log P(real | text) of each draft.

    Both are logistic regressions on TF-IDF of the fields that the drafts fill. Drafts of one exemplar set
    are in one fold, and are scored by models that saw no draft of the fold and none of its exemplars: a draft
    gains nothing from repeating what it was shown.

    Args:
        drafts: with `label`, `exemplars` and the texts.
        real: labelled train trials that the drafts may know of.
    """
    fields = filled_fields(drafts)
    texts, known = field_texts(drafts, fields).to_numpy(), field_texts(real, fields).to_numpy()
    sets = drafts["exemplars"].list.sort().list.join(" ").rank("dense").to_numpy().astype(int) % FOLDS
    scores = np.zeros(drafts.height)
    for fold in np.unique(sets):
        mine = sets == fold
        shown = drafts.filter(mine)["exemplars"].explode().implode()
        kept = ~real["nct_id"].is_in(shown).to_numpy()
        labels, others = real["label"].to_numpy()[kept], texts[~mine]
        origin = np.repeat([1, 0], [kept.sum(), len(others)])
        scores[mine] = _log_chance(known[kept], labels, texts[mine], drafts["label"].to_numpy()[mine])
        scores[mine] += _log_chance(np.append(known[kept], others), origin, texts[mine], np.ones(mine.sum()))
    return pl.Series(scores)


def _log_chance(texts: np.ndarray, labels: np.ndarray, asked: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the log probability that each text has the wanted label; 0 where there is one class to learn."""
    if len(np.unique(labels)) < 2:
        return np.zeros(len(asked))
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True), LogisticRegression(class_weight="balanced", max_iter=1000)
    ).fit(texts, labels)
    chances: np.ndarray = model.predict_log_proba(asked)
    column = np.searchsorted(model.classes_, wanted)
    return chances[np.arange(len(asked)), column]


def find_lesser(drafts: pl.DataFrame, train: pl.DataFrame, blocks: pl.DataFrame) -> pl.Series:
    """Return which drafts another one of their target outdoes; of equals the first stays.

    Args:
        drafts: with `nct_id`, `target_id`, `block` (null: written from all of train), `label`, `exemplars`
            and texts.
        train: real trials, of which those with a label are read.
        blocks: `nct_id` and `block` of train trials. The drafts of a block are scored by its trials alone.
    """
    compared = drafts.filter(pl.len().over("target_id") > 1)
    lesser = set(compared["nct_id"])
    for (block,), group in compared.group_by("block", maintain_order=True):
        pool = train.filter(pl.col("label").is_not_null())
        if block is not None:
            pool = pool.join(blocks.filter(block=block), on="nct_id", how="semi", maintain_order="left")
        ranked = group.with_columns(score=score_drafts(group, pool))
        ranked = ranked.sort("score", descending=True, maintain_order=True)
        lesser -= set(ranked.unique("target_id", keep="first")["nct_id"])
    return drafts["nct_id"].is_in(list(lesser))
