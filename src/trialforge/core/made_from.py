"""Which tables the figures of a metrics file were computed on, so that those of another run are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trialforge.core.errors import ArtifactError
from trialforge.core.files import hash_file

MADE_FROM = "made_from"
# Metrics files whose names are not those of their stages.
_STAGES = {
    "retrieval": "retrieve",
    "reasoning": "reason",
    "generation": "generate",
    "validation": "validate",
    "quality": "measure",
}
# Figures of synthetic trials, which must say of which ones.
_OF_RECORDS = ("validation", "quality", "score")


def name_tables(*paths: Path) -> dict[str, dict[str, str]]:
    """Return what a metrics file says of the tables it was computed on: name -> SHA-256."""
    return {MADE_FROM: {path.stem: hash_file(path) for path in paths}}


def check_fit(stage_metrics: Mapping[str, Mapping[str, Any]], tables: Mapping[str, str]) -> None:
    """Refuse figures that were computed on other tables than those at hand.

    Args:
        stage_metrics: stem of the metrics file -> its content.
        tables: name -> SHA-256 of each table at hand.

    Raises:
        ArtifactError: a file was computed on another table, or does not say on which synthetic trials.
    """
    for name, metrics in stage_metrics.items():
        hint = f"run: dvc repro {_STAGES.get(name, name)}"
        made_from = metrics.get(MADE_FROM)
        if made_from is None and name in _OF_RECORDS and "synthetic" in tables:
            raise ArtifactError(f"metrics/{name}.json does not say on which trials it was computed", hint)
        for table, digest in (made_from or {}).items():
            if tables.get(table, digest) != digest:
                raise ArtifactError(
                    f"metrics/{name}.json was computed on another data/{table}.parquet than is there",
                    hint,
                )
