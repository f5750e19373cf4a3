"""What of a trial is searched: a table of texts and of the values that filters use."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import tee
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.embedding.cached import encode_parts
from trialforge.trial.text import field_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.embedding.encoder import Encoder, Matrix

FILTERS = ("normalized_interventions", "label", "phase", "conditions")


def make_documents(train: pl.DataFrame, fields: Iterable[str]) -> pl.DataFrame:
    """Return one row a trial, by id: `nct_id`, the filters, and each field as text in `text_FIELD`."""
    texts = [field_text(name).alias(f"text_{name}") for name in fields]
    return train.sort("nct_id").select("nct_id", *FILTERS, *texts)


def text_columns(documents: pl.DataFrame) -> pl.DataFrame:
    """Return the texts of documents, each column named as its field."""
    names = [name for name in documents.columns if name.startswith("text_")]
    return documents.select(pl.col(name).alias(name.removeprefix("text_")) for name in names)


def embed_field(texts: pl.Series, encoder: Encoder) -> Matrix:
    """Return one row a text; where a trial lacks the field its row is zero."""
    (vectors,) = embed_parts([texts], encoder, len(texts))
    return vectors


def embed_parts(parts: Iterable[pl.Series], encoder: Encoder, total: int) -> Generator[Matrix, None, None]:
    """Yield the rows of each part of `total` texts, as `embed_field`."""
    parts, asked = tee(parts)
    columns = (texts.fill_null("").to_list() for texts in asked)
    for texts, vectors in zip(parts, encode_parts(encoder, columns, total), strict=True):
        yield vectors * (texts.fill_null("") != "").to_numpy()[:, None].astype(np.float32)


def pool_fields(weighted: Iterable[tuple[Matrix, float]]) -> Matrix:
    """Return one row of length 1 a trial: the weighted mean of its fields' vectors; zero if it has none."""
    total: NDArray[np.float64] = np.zeros((1, 1))
    for vectors, weight in weighted:  # one field at a time: those of a large pool together are too many
        total = total + vectors.astype(np.float64) * weight
    norms = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.where(norms > 0, norms, 1.0), dtype=np.float32)
