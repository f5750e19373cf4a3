"""Which tables and plots the figures of a metrics file belong to: those of another run are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trialforge.core.errors import ArtifactError
from trialforge.core.files import hash_file

MADE_FROM, PLOTS = "made_from", "plots"
# Metrics file -> the stage that writes it, and the table that it must name.
_STAGES = {
    "ingest": ("ingest", "trials"),
    "split": ("split", "train"),
    "plan": ("plan", "train"),
    "retrieval": ("retrieve", "train"),
    "reasoning": ("reason", "reasons"),
    "generation": ("generate", "generated"),
    "validation": ("validate", "synthetic"),
    "quality": ("measure", "synthetic"),
    "score": ("score", "synthetic"),
    "worth": ("worth", "synthetic"),
}
# Folder of plots/ -> the metrics file that names what is in it.
_FOLDERS = {
    "split": "split",
    "validation": "validation",
    "quality": "quality",
    "learning": "score",
    "worth": "worth",
}


def name_tables(*paths: Path) -> dict[str, dict[str, str]]:
    """Return what a metrics file says of the tables it was computed on: name -> SHA-256."""
    return {MADE_FROM: {path.stem: hash_file(path) for path in paths}}


def name_plots(*paths: Path) -> dict[str, dict[str, str]]:
    """Return what a metrics file says of the plots written with it: path below plots/ -> SHA-256."""
    return {PLOTS: {Path(path.parent.name, path.name).as_posix(): hash_file(path) for path in sorted(paths)}}


def only_figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a metrics file without what it says of tables and plots."""
    return {name: value for name, value in metrics.items() if name not in {MADE_FROM, PLOTS}}


def hash_tables(data: Path) -> dict[str, str]:
    """Return name -> SHA-256 of the tables at hand that a metrics file may have to name."""
    paths = [data / f"{table}.parquet" for table in sorted({table for _, table in _STAGES.values()})]
    return {path.stem: hash_file(path) for path in paths if path.is_file()}


def check_fit(stage_metrics: Mapping[str, Mapping[str, Any]], tables: Mapping[str, str]) -> None:
    """Refuse figures that were computed on other tables than those at hand.

    Args:
        stage_metrics: stem of the metrics file -> its content.
        tables: name -> SHA-256 of each table at hand.

    Raises:
        ArtifactError: a file was computed on another table, or does not name one that it must name.
    """
    for name, metrics in stage_metrics.items():
        stage, needed = _STAGES.get(name, (name, ""))
        hint = f"run: dvc repro {stage}"
        made_from = metrics.get(MADE_FROM) or {}
        if needed in tables and needed not in made_from:
            raise ArtifactError(
                f"metrics/{name}.json does not say which data/{needed}.parquet it was computed from", hint
            )
        for table, digest in made_from.items():
            if tables.get(table, digest) != digest:
                raise ArtifactError(
                    f"metrics/{name}.json was computed from another version of data/{table}.parquet",
                    hint,
                )


def check_plots(stage_metrics: Mapping[str, Mapping[str, Any]], plots: Mapping[str, str]) -> None:
    """Refuse plots that were not written with the figures at hand; what no stage writes is left alone.

    Args:
        stage_metrics: stem of the metrics file -> its content.
        plots: path below plots/ -> SHA-256 of each plot at hand.
    """
    for plot, digest in plots.items():
        name = _FOLDERS.get(plot.partition("/")[0])
        if name and stage_metrics.get(name, {}).get(PLOTS, {}).get(plot) != digest:
            stage, _ = _STAGES[name]
            raise ArtifactError(
                f"plots/{plot} was not written with metrics/{name}.json", f"run: dvc repro {stage}"
            )


def check_alike(stage_metrics: Mapping[str, Mapping[str, Any]], run: str) -> None:
    """Refuse figures of several runs where the tables themselves are not at hand.

    Args:
        stage_metrics: stem of the metrics file -> its content.
        run: the words for the run that they should all be of.
    """
    first: dict[str, tuple[str, str]] = {}
    for name, metrics in sorted(stage_metrics.items()):
        for table, digest in metrics.get(MADE_FROM, {}).items():
            other, expected = first.setdefault(table, (name, digest))
            if digest != expected:
                raise ArtifactError(
                    f"metrics/{other}.json and metrics/{name}.json of {run} are of different runs: each was "
                    f"computed on another data/{table}.parquet",
                    hint="run: dvc repro there, or name a revision whose metrics are of one run",
                )
