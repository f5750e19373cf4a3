"""The inputs of the report: the metrics, plots and tables of the other stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.core.errors import ArtifactError
from trialforge.core.files import Number, flatten, hash_file, read_json, read_parquet
from trialforge.core.made_from import check_fit, check_plots, only_figures

TABLES = ("train", "plan", "reasons", "generated", "synthetic", "rejected")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a report is made from.

    Attributes:
        metrics: stage -> flat metric name -> value.
        plots: path below plots/ without its ending -> table.
        tables: name -> table; the table of a stage that did not run is missing.
        params: the whole of params.yaml.
        hashes: path -> SHA-256 of each file that was read, for the page's provenance.
        encoder: the digest of the model that made the vectors of the index.
        newest_record: the date on which the newest record of the source was updated, according to the source.
    """

    metrics: dict[str, dict[str, Number]]
    plots: dict[str, pl.DataFrame]
    tables: dict[str, pl.DataFrame]
    params: dict[str, Any]
    hashes: dict[str, str] = field(default_factory=dict)
    encoder: str | None = None
    newest_record: date | None = None

    @property
    def measured(self) -> dict[str, Number]:
        """Return every value under `stage.metric`."""
        return {
            f"{stage}.{name}": value
            for stage, metrics in self.metrics.items()
            for name, value in metrics.items()
        }


def read_inputs(data: Path, metrics: Path, plots: Path, params: dict[str, Any]) -> Inputs:
    """Read the files that exist.

    Raises:
        ArtifactError: a file can't be read, or metrics, tables and plots come from different runs.
    """
    metric_files = sorted(metrics.glob("*.json"))
    plot_files = sorted(plots.glob("**/*.csv"))
    table_files = [path for name in TABLES if (path := data / f"{name}.parquet").is_file()]
    trials, index = data / "trials.parquet", data / "index.json"
    read = [*metric_files, *plot_files, *table_files, *filter(Path.is_file, (trials, index))]
    hashes = {path.as_posix(): hash_file(path) for path in read}
    stage_metrics = {path.stem: read_json(path) for path in metric_files}
    check_fit(
        stage_metrics, {path.stem: hashes[path.as_posix()] for path in read if path.suffix == ".parquet"}
    )
    check_plots(
        stage_metrics, {path.relative_to(plots).as_posix(): hashes[path.as_posix()] for path in plot_files}
    )
    tables = {path.stem: read_parquet(path) for path in table_files}
    _check_source(tables, params)
    return Inputs(
        metrics={stage: flatten(only_figures(one)) for stage, one in stage_metrics.items()},
        plots={str(path.relative_to(plots).with_suffix("")): _read_csv(path) for path in plot_files},
        tables=tables,
        params=params,
        hashes=hashes,
        encoder=read_json(index)["encoder"] if index in read else None,
        newest_record=_newest_record(trials) if trials in read else None,
    )


def _check_source(tables: dict[str, pl.DataFrame], params: dict[str, Any]) -> None:
    """Refuse parameters that name another kind of trials than the run has: the page might call them real."""
    asked = params.get("ingest", {}).get("source")
    if asked is None or (train := tables.get("train")) is None or train.is_empty():
        return
    if (asked == "simulated") != bool((train["source"] == "simulated").all()):
        held = train["source"].value_counts(sort=True)["source"][0]
        raise ArtifactError(
            f"params.yaml has ingest.source = {asked}, but data/train.parquet has {held} trials",
            hint="run: dvc repro, or set ingest.source back",
        )


def _read_csv(path: Path) -> pl.DataFrame:
    # A table without rows may be written without columns: then there is nothing to draw.
    return pl.read_csv(path) if path.read_bytes().strip() else pl.DataFrame()


def _newest_record(path: Path) -> date | None:
    newest = read_parquet(path, columns=["last_updated", "first_submitted"])
    found = newest.select(pl.max_horizontal(pl.all().max())).item()
    return found if isinstance(found, date) else None
