"""What of a trial is searched: a table of texts and of the values that filters use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.text import field_text

if TYPE_CHECKING:
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


def embed_fields(texts: pl.DataFrame, fields: Iterable[str], encoder: Encoder) -> dict[str, Matrix]:
    """Return a matrix a field, one row a trial; where a trial lacks the field its row is zero."""
    names = list(fields)
    columns = [texts[name].fill_null("") for name in names]
    vectors = encoder.encode(pl.concat(columns).to_list())
    filled = np.concatenate([(column != "").to_numpy() for column in columns])
    blocks = np.split(np.where(filled[:, None], vectors, 0).astype(np.float32), len(names))
    return dict(zip(names, blocks, strict=True))


def pool_fields(vectors: Mapping[str, Matrix], weights: Mapping[str, float]) -> Matrix:
    """Return one row of length 1 a trial: the weighted mean of its fields' vectors; zero if it has none."""
    total = sum(vectors[name].astype(np.float64) * weight for name, weight in weights.items())
    norms = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.where(norms > 0, norms, 1.0), dtype=np.float32)
