"""All checks of a record: `generate` asks again for what is at fault, `validate` rejects for any fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import polars as pl

from trialforge.trial.checks.check import TEXT, Check, Record
from trialforge.trial.checks.criteria import criteria_checks
from trialforge.trial.checks.design import design_checks
from trialforge.trial.checks.exemplars import exemplar_checks
from trialforge.trial.checks.form import form_checks
from trialforge.trial.checks.language import language_checks
from trialforge.trial.checks.names import name_checks
from trialforge.trial.checks.params import CheckParams
from trialforge.trial.checks.reference import Reference
from trialforge.trial.checks.spelling import spelling_check
from trialforge.trial.checks.target import target_checks
from trialforge.trial.checks.time_frames import time_frame_checks
from trialforge.trial.record import REGISTRATION_SCHEMA

# A record beside its target, as the checks read it.
CHECKED_SCHEMA: dict[str, pl.DataType] = REGISTRATION_SCHEMA | {
    "normalized_interventions": pl.List(pl.String()), "label": pl.Int64(), "exemplars": pl.List(pl.String()),
    "target_intervention": pl.String(), "target_conditions": pl.List(pl.String()),
    "target_phase": pl.String(), "target_label": pl.Int64(), "target_fields": pl.List(pl.String()),
}  # fmt: skip
_WORDED = [name for name in REGISTRATION_SCHEMA if name not in ("nct_id", "source", "first_submitted")]


def record_checks(
    params: CheckParams,
    exemplars: Mapping[str, Mapping[str, Any]],
    reference: Reference,
) -> list[Check]:
    """Return all checks, in the order in which faults are named.

    Args:
        params: bounds.
        exemplars: the trials that the records' prompts showed, by id.
        reference: what real trials are like.
    """
    return [
        *form_checks(params),
        *criteria_checks(params, reference.kinds),
        *time_frame_checks(params),
        *target_checks(),
        *design_checks(),
        *exemplar_checks(exemplars, reference.copies),
        *language_checks(params),
        *name_checks(),
        spelling_check(exemplars, reference.words),
    ]


# Reasons of `validate` that are of a whole set: looked for in records without another fault.
SET_REASONS = {
    "not_best": "another draft of its target is likelier to be a real trial with its label",
    "near_copy_of_train": "it is a near-copy of a train trial",
    "near_copy_of_sibling": "it is a near-copy of an earlier record",
}


@cache
def reason_words() -> dict[str, str]:
    """Return what is wrong with a record, by the reason that `validate` gives."""
    return {
        check.reason: check.message for check in record_checks(CheckParams(), {}, Reference())
    } | SET_REASONS


def explain(reason: str) -> str:
    """Return a reason with what it means, where it is that of a check."""
    message = reason_words().get(reason)
    return f"{reason}: {message}" if message else reason


def find_faults(records: pl.DataFrame, checks: Sequence[Check]) -> pl.Series:
    """Return the reasons against each record of CHECKED_SCHEMA, a list in the order of the checks."""
    rows = records.rows(named=True)
    for row in rows:
        # A bar, since words on both sides of it do not make a name together.
        row[TEXT] = " |\n".join(_strings(row[name] for name in _WORDED))
    patterns = {check.reason: check.found for check in checks if isinstance(check.found, pl.Expr)}
    matches = pl.DataFrame(rows, schema={TEXT: pl.String()}).with_columns(**patterns).rows(named=True)

    def has(check: Check, row: Record, matched: Record) -> bool | None:
        return matched[check.reason] if isinstance(check.found, pl.Expr) else check.found(row)

    faults = [
        [check.reason for check in checks if has(check, row, matched)]
        for row, matched in zip(rows, matches, strict=True)
    ]
    return pl.Series(faults, dtype=pl.List(pl.String()))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Iterable):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(part)
