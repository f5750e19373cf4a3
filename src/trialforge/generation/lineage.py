"""Lineage: what each synthetic record comes from, and an id that follows from its content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from trialforge.core.files import hash_json
from trialforge.core.trial import REGISTRATION_SCHEMA, SYNTHETIC_PREFIX

LINEAGE_SCHEMA: dict[str, pl.DataType] = {
    "normalized_interventions": pl.List(pl.String()), "label": pl.Int64(), "target_id": pl.String(),
    "intervention": pl.String(), "arm": pl.String(), "reject_reason": pl.String(),
    "exemplars": pl.List(pl.String()), "reasons_id": pl.String(), "prompt_hash": pl.String(),
    "model": pl.String(), "model_digest": pl.String(), "engine": pl.String(), "version": pl.String(),
    "sampling": pl.String(), "seed": pl.Int64(), "attempt": pl.Int64(),
}  # fmt: skip
GENERATED_SCHEMA: dict[str, pl.DataType] = REGISTRATION_SCHEMA | LINEAGE_SCHEMA


def name_record(record: Mapping[str, Any], target_id: str) -> str:
    """Return the id of a synthetic record: its content and target decide it."""
    content = {name: value for name, value in record.items() if name != "nct_id"}
    return f"{SYNTHETIC_PREFIX}{hash_json([content, target_id])[:12]}"
