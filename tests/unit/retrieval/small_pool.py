"""Five trials small enough to count by hand, and an encoder whose vectors are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from trialforge.retrieval.params import RetrievalParams
from trialforge.trial.record import REGISTRATION_SCHEMA

ROOT = Path(__file__).resolve().parents[3]


class WordEncoder:
    """A text's vector counts its words in eight buckets by their first letter."""

    digest, dimension = "words", 8

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), 8))
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[ord(word[0]) % 8] += 1
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return (rows / np.where(norms > 0, norms, 1)).astype(np.float32)


def make_trials(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    schema = {**REGISTRATION_SCHEMA, "normalized_interventions": pl.List(pl.String), "label": pl.Int64}
    empty = {name: [] if isinstance(kind, pl.List) else None for name, kind in schema.items()}
    return pl.DataFrame([empty | {"source": "simulated"} | row for row in rows], schema=schema)


def make_params(**changes: object) -> RetrievalParams:
    """The parameters of params.yaml over two fields; `elasticsearch` and others as given."""
    section = yaml.safe_load((ROOT / "params.yaml").read_text())["retrieval"]
    small = {"lexical_fields": {"title": 2.0, "summary": 1.0}, "dense_fields": {"title": 1.0, "summary": 1.0}}
    small |= {"rank_constant": 60, "dense_weight": 1.0}
    server = section["elasticsearch"] | dict(changes.pop("elasticsearch", {}))
    return RetrievalParams.model_validate(section | small | changes | {"elasticsearch": server})


def small_train() -> pl.DataFrame:
    return make_trials(
        [
            {
                "nct_id": f"NCT{number}",
                "title": title,
                "summary": summary,
                "criteria": f"Adults with {condition}",
                "conditions": [condition],
                "condition_mesh": [condition],
                "normalized_interventions": [drug],
                "phase": "Phase 2",
                "label": label,
            }
            for number, title, summary, condition, drug, label in [
                (5, "Metformin in diabetes", "Blood sugar of adults", "diabetes", "metformin", 1),
                (1, "Metformin in obesity", "Weight of adults", "obesity", "metformin", 1),
                (2, "Metformin and insulin in diabetes", "Sugar in children", "diabetes", "metformin", 0),
                (3, "Aspirin after stroke", "Second strokes of patients", "stroke", "aspirin", 1),
                (4, "Aspirin's effect on pain", "Pain of patients after surgery", "pain", "aspirin", 0),
            ]
        ]
    )
