"""Real trials in the form of a draft."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from trialforge.generation.record import draft_to_record
from trialforge.generation.view import view_trial
from trialforge.trial.controls import CONTROLS


def as_drafts(trials: pl.DataFrame, fields: Sequence[str]) -> pl.DataFrame:
    """Return real trials as a generator would have to say them: its fields, its lengths, its rendering.

    What remains of a real trial in this form is the most that a synthetic one can hold.

    Args:
        trials: registration views with `label` and `normalized_interventions`.
        fields: what a draft holds.
    """
    rows = []
    for trial in trials.iter_rows(named=True):
        given = trial["interventions"] or [{"name": "", "type": None}]
        named = [name for name in trial["normalized_interventions"] or [] if name not in CONTROLS]
        record = draft_to_record(
            view_trial(trial, fields),
            intervention=named[0] if named else given[0]["name"],
            intervention_type=given[0]["type"],
            conditions=trial["conditions"] or [],
            phase=trial["phase"],
        )
        kept = ("nct_id", "first_submitted", "label", "normalized_interventions")
        rows.append(record | {name: trial[name] for name in kept})
    return pl.DataFrame(rows, schema=dict(trials.schema))
