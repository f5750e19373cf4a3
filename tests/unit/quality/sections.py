"""The sections of the committed params.yaml that the measures read, and a small run of them in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from trialforge.core.params import load_section
from trialforge.trial.draft_fields import WRITTEN_FIELDS
from trialforge.trial.draft_form import as_drafts
from trialforge.validation.params import ValidationParams

if TYPE_CHECKING:
    import polars as pl

ROOT = Path(__file__).parents[3]
VALIDATION = load_section(ValidationParams, "validation", ROOT / "params.yaml")


def write_run(folder: Path, parts: dict[str, pl.DataFrame]) -> None:
    """Write parameters for few draws, and the tables of a run: 60 train trials, 24 of each other part."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["quality"] |= {"bootstrap": 100, "permutations": 19, "folds": 2}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "data").mkdir()
    held_back = parts["validation"].tail(24)
    tables = parts | {"held_back": held_back, "held_back_drafts": as_drafts(held_back, WRITTEN_FIELDS)}
    for name, frame in tables.items():
        frame.head(60 if name == "train" else 24).write_parquet(folder / f"data/{name}.parquet")
