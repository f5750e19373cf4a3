"""Values that can't be: each is taken out and noted, and its trial stays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from trialforge.ingest.source import REFUSED_SCHEMA

_SHOWN = 80


class FieldRule(NamedTuple):
    """How column `name` is parsed; a value that `parsed` makes null counts under `reason`."""

    name: str
    parsed: pl.Expr
    reason: str | pl.Expr


def _parsed(name: str) -> str:
    return f"{name} parsed"


class Faults:
    """The values set aside while a batch is built; `row` is the trial's place in the batch."""

    def __init__(self) -> None:
        self._found: list[pl.DataFrame] = []

    def add(
        self, frame: pl.DataFrame, bad: pl.Expr, reason: str | pl.Expr, what: str, value: str | None = None
    ) -> None:
        """Note the rows of `frame` where `bad` holds; `value` names the column that holds the bad value."""
        shown = pl.col(value).cast(pl.String).str.head(_SHOWN) if value else None
        detail = pl.format("{} {}", pl.lit(what), shown) if shown is not None else pl.lit(what)
        found = frame.filter(bad).select(
            "row",
            reason=pl.lit(reason) if isinstance(reason, str) else reason,
            detail=pl.concat_str(detail, pl.lit("; the trial is kept without it")),
        )
        if found.height:
            self._found.append(found)

    def replace(self, frame: pl.DataFrame, rules: Iterable[FieldRule]) -> pl.DataFrame:
        """Return `frame` with each rule's column parsed; a value that gives null is noted."""
        rules = list(rules)
        # Lazily, so that what a rule says twice is worked out once.
        parsed = frame.lazy().with_columns(rule.parsed.alias(_parsed(rule.name)) for rule in rules).collect()
        unread = parsed.select(
            (pl.col(rule.name).is_not_null() & pl.col(_parsed(rule.name)).is_null()).any().alias(rule.name)
            for rule in rules
        ).row(0, named=True)
        for rule in rules:
            if unread[rule.name]:
                bad = pl.col(rule.name).is_not_null() & pl.col(_parsed(rule.name)).is_null()
                self.add(parsed, bad, rule.reason, rule.name, rule.name)
        kept = parsed.with_columns(pl.col(_parsed(rule.name)).alias(rule.name) for rule in rules)
        return kept.drop(_parsed(rule.name) for rule in rules)

    def table(self, trials: pl.DataFrame) -> pl.DataFrame:
        """Return what was found, in the order of the trials, with REFUSED_SCHEMA.

        Args:
            trials: `row`, `record` and `file` of each trial.
        """
        if not self._found:
            return pl.DataFrame(schema=REFUSED_SCHEMA)
        found = pl.concat(self._found).sort("row", maintain_order=True)
        return found.join(trials, on="row", how="left", maintain_order="left").select(REFUSED_SCHEMA.keys())
