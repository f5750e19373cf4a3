"""A source of trials: what every reader of records gives, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import polars as pl

from trialforge.trial.people import scrub_people
from trialforge.trial.record import TRIAL_SCHEMA

# `file` says where a trial came from, until the tables are written: the file, and the member in it.
BATCH_SCHEMA: dict[str, pl.DataType] = {**TRIAL_SCHEMA, "file": pl.String()}
REFUSED_SCHEMA: dict[str, pl.DataType] = dict.fromkeys(("file", "record", "reason", "detail"), pl.String())


@dataclass(slots=True)
class FileTally:
    """What became of the records of a file: how many are trials, and why the others are not."""

    trials: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first: str = ""

    def add(self, other: FileTally) -> None:
        """Count what another part of the file gave."""
        self.trials += other.trials
        self.refused += other.refused
        self.first = self.first or other.first


@dataclass(frozen=True, slots=True)
class Batch:
    """Some trials of a source (BATCH_SCHEMA) and what was refused among them (REFUSED_SCHEMA).

    Attributes:
        people_removed: for each rule, how many people were taken out of free text.
        read: for each file on the disk, what became of its records.
        lacks: for each file that can't fill some fields of a trial, those fields.
    """

    trials: pl.DataFrame
    refused: pl.DataFrame
    people_removed: Mapping[str, int] = field(default_factory=dict)
    read: Mapping[str, FileTally] = field(default_factory=dict)
    lacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


Prepare = Callable[[Batch], Batch]


def leave_batch(batch: Batch) -> Batch:
    """Return the batch as it was read."""
    return batch


def prepare_batch(batch: Batch) -> Batch:
    """Return the batch as the table has it: without synthetic trials, and without people."""
    real = refuse_synthetic(batch)
    trials, removed = scrub_people(real.trials)
    return replace(real, trials=trials, people_removed=removed)


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


def tally_file(batch: Batch, origin: str) -> Batch:
    """Return the batch with the count of its records, all of which come from one file."""
    first = batch.refused["detail"][0] if batch.refused.height else ""
    return replace(
        batch, read={origin: FileTally(batch.trials.height, Counter(batch.refused["reason"]), first)}
    )


def refuse_synthetic(batch: Batch) -> Batch:
    """Return the batch without synthetic trials: one that was exported must never stand among real ones."""
    synthetic = batch.trials.filter(pl.col("source") == "synthetic").select(
        "file",
        record="nct_id",
        reason=pl.lit("synthetic_record"),
        detail=pl.lit("a synthetic trial can't be among the real ones"),
    )
    real = batch.trials.filter(pl.col("source") != "synthetic")
    return replace(
        batch, trials=real, refused=pl.concat([batch.refused, synthetic.select(REFUSED_SCHEMA.keys())])
    )
