"""A source of trials: what every reader of records gives, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from trialforge.trial.people import scrub_people
from trialforge.trial.record import TRIAL_SCHEMA

# `file` says where a trial came from, until the tables are written: the file, and the member in it.
BATCH_SCHEMA: dict[str, pl.DataType] = {**TRIAL_SCHEMA, "file": pl.String()}
REFUSED_SCHEMA: dict[str, pl.DataType] = dict.fromkeys(("file", "record", "reason", "detail"), pl.String())


@dataclass(frozen=True, slots=True)
class Batch:
    """Some trials of a source (BATCH_SCHEMA) and what was refused among them (REFUSED_SCHEMA).

    `people_removed` counts, for each rule, the people who were taken out of free text.
    """

    trials: pl.DataFrame
    refused: pl.DataFrame
    people_removed: Mapping[str, int] = field(default_factory=dict)


Prepare = Callable[[Batch], Batch]


def leave_batch(batch: Batch) -> Batch:
    """Return the batch as it was read."""
    return batch


def prepare_batch(batch: Batch) -> Batch:
    """Return the batch as the table has it: without synthetic trials, and without people."""
    real = refuse_synthetic(batch)
    trials, removed = scrub_people(real.trials)
    return Batch(trials, real.refused, removed)


class Source(Protocol):
    """Trials from somewhere, in an order that depends on nothing but the source itself."""

    def batches(self, prepare: Prepare = leave_batch) -> Iterator[Batch]:
        """Yield all trials, a few thousand at a time at most, so that memory stays flat.

        Args:
            prepare: changes each batch in the process that reads it; a function of a module, for pickle.

        Raises:
            IngestError: the source as a whole can't be read; one bad record is a refused row.
        """
        ...


def no_refused() -> pl.DataFrame:
    """Return a table of refused records without any."""
    return pl.DataFrame(schema=REFUSED_SCHEMA)


def refuse_synthetic(batch: Batch) -> Batch:
    """Return the batch without synthetic trials: one that was exported must never stand among real ones."""
    synthetic = batch.trials.filter(pl.col("source") == "synthetic").select(
        "file",
        record="nct_id",
        reason=pl.lit("synthetic-record"),
        detail=pl.lit("a synthetic trial can't be among the real ones"),
    )
    real = batch.trials.filter(pl.col("source") != "synthetic")
    return Batch(real, pl.concat([batch.refused, synthetic.select(REFUSED_SCHEMA.keys())]))
