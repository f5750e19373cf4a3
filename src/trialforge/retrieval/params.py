"""Parameters of the section `retrieval`."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, field_validator

from trialforge.core.params import Section
from trialforge.trial.record import TEXT_FIELDS

Mode = Literal["lexical", "dense", "hybrid", "random"]


class Bm25Params(Section):
    """The constants of BM25 (Robertson 1994), as Lucene has them."""

    k1: float = Field(default=1.2, ge=0)
    b: float = Field(default=0.75, ge=0, le=1)


class ElasticsearchParams(Section):
    """How the server is used; its address and secrets come from the environment only."""

    alias: str = Field(default="trialforge", pattern=r"^[a-z0-9][a-z0-9_-]*$")
    shards: int = Field(default=1, ge=1, le=1024)  # Elasticsearch's own limit
    replicas: int = Field(default=0, ge=0)
    keep_indices: int = Field(default=2, ge=1)
    chunk_size: int = Field(default=500, ge=1)
    bulk_threads: int = Field(default=4, ge=1, le=64)
    timeout: float = Field(default=30.0, gt=0)
    retries: int = Field(default=5, ge=0)
    backoff: float = Field(default=0.5, gt=0)
    max_backoff: float = Field(default=30.0, gt=0)
    sniff: bool = False


class EvaluationParams(Section):
    """How the quality of retrieval is measured."""

    queries: int = Field(default=100, ge=1)
    trials: int = Field(default=5000, ge=1)
    bootstrap: int = Field(default=1000, ge=1)


class IndexParams(Section):
    """What is indexed, and where: all that an index depends on, and no knob of a search."""

    model_config = ConfigDict(extra="ignore")

    backend: Literal["embedded", "elasticsearch"] = "embedded"
    lexical_fields: dict[str, float]
    dense_fields: dict[str, float]
    bm25: Bm25Params
    elasticsearch: ElasticsearchParams

    @field_validator("lexical_fields", "dense_fields")
    @classmethod
    def _fields_are_known(cls, fields: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(set(fields) - set(TEXT_FIELDS)):
            raise ValueError(f"unknown fields {unknown}; the text fields are {', '.join(TEXT_FIELDS)}")
        if not fields or min(fields.values()) <= 0:
            raise ValueError("name at least one field, each with a weight above 0")
        return fields


class RetrievalParams(IndexParams):
    """What is indexed, how it is searched, and how exemplars are chosen."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode
    top_k: int = Field(ge=1)
    num_candidates: int = Field(ge=1, le=10_000)
    rank_constant: int = Field(ge=1)
    dense_weight: float = Field(gt=0)
    mmr_lambda: float = Field(ge=0, le=1)
    evaluation: EvaluationParams
