"""Read the runs that `trialforge report --against` compares: this checkout's and a revision's."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.core.errors import ArtifactError
from trialforge.core.files import Number, flatten, read_json, read_parquet
from trialforge.core.made_from import check_alike, check_fit, hash_tables, only_figures
from trialforge.reporting.against import Run

RECORDS = Path("data/synthetic.parquet")
METRICS = Path("metrics")


def read_this_run(root: Path) -> Run:
    """Return the run of a checkout.

    Raises:
        ArtifactError: it has no metrics, or they can't be read, or they don't belong to its tables.
    """
    metrics = {path.stem: read_json(path) for path in sorted((root / METRICS).glob("*.json"))}
    if not metrics:
        raise ArtifactError(f"no metrics in {root / METRICS}", hint="run: dvc repro")
    check_fit(metrics, hash_tables(root / RECORDS.parent))
    check_alike(metrics, "this checkout")
    records = root / RECORDS
    return Run("this checkout", _flat(metrics), read_parquet(records) if records.is_file() else None)


def read_run_of(revision: str) -> Run:
    """Return the run of a revision or experiment, with its records if DVC's cache has them.

    Raises:
        ArtifactError: there is no such revision, it has no metrics, or they are from several runs.
    """
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.scm import RevError, SCMError

    try:
        files = DVCFileSystem(rev=revision)
        names = files.ls(METRICS.as_posix(), detail=False)
        metrics = {
            Path(name).stem: json.loads(files.read_text(name)) for name in names if name.endswith(".json")
        }
    except (RevError, SCMError) as error:
        raise ArtifactError(f"no revision {revision!r}: {error}", hint="git log, dvc exp list") from error
    except (DvcException, OSError) as error:
        raise ArtifactError(f"{revision} has no readable metrics: {error}") from error
    check_alike(metrics, revision)
    try:
        records = pl.read_parquet(BytesIO(files.read_bytes(RECORDS.as_posix())))
    except (DvcException, OSError):
        records = None
    return Run(revision, _flat(metrics), records)


def _flat(metrics: dict[str, Any]) -> dict[str, Number]:
    return flatten({stage: only_figures(one) for stage, one in metrics.items()})
