"""Do records tell an outcome in words, or name a trial that no one may have seen?"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from trialforge.quality.case import Case
from trialforge.quality.metric import Direction, Estimate, Metric, mean_of_records
from trialforge.trial.leakage import RULE_NAMES, find_outcome
from trialforge.trial.registry_ids import OWN_ID, WRITTEN_ID

MAKERS = ("model", "prompt_hash", "arm")


@lru_cache(maxsize=4)
def outcome_sentences(case: Case) -> pl.DataFrame:
    """Return `row`, `sentence` and `rule` of the sentences of records that tell an outcome."""
    return find_outcome(case.candidates.free_text)


def outcome_share(case: Case) -> Estimate:
    """Share of records with a sentence that tells an outcome, by the rules that clean real trials."""
    told = np.isin(np.arange(len(case.candidates)), outcome_sentences(case)["row"].to_numpy())
    return mean_of_records(told, case, "leaks")


def outcome_table(case: Case) -> pl.DataFrame:
    """Return how many records tell an outcome, by rule, model, prompt and arm; 0 where none does."""
    makers = [name for name in MAKERS if name in case.candidates.frame.columns]
    records = case.candidates.frame.select(makers).with_row_index("row")
    found = outcome_sentences(case).with_columns(pl.col("row").cast(records.schema["row"]))
    counts = (
        found.select("row", "rule")
        .unique()
        .join(records, on="row")
        .group_by("rule", *makers)
        .agg(pl.len().alias("records"))
    )
    rules = pl.DataFrame({"rule": list(RULE_NAMES)})
    return (
        rules.join(counts, on="rule", how="left")
        .with_columns(pl.col("records").fill_null(0))
        .sort("rule", *makers)
    )


@lru_cache(maxsize=4)
def named_held_out(case: Case) -> list[str]:
    """Return the ids of validation and test trials that a record, its lineage, exemplars or reasons have."""
    hidden = _hidden_ids(case)
    named: set[str] = set()
    for frame in (case.candidates.frame, case.exemplars, case.reasons):
        if frame is not None:
            lines = frame.select(pl.struct(pl.all()).struct.json_encode().alias("line"))["line"]
            said = lines.str.extract_all(WRITTEN_ID).explode().drop_nulls()
            named |= {*said.str.to_uppercase().str.replace_all("[^A-Z0-9]", "")}
            named |= {
                name
                for name in hidden
                if not OWN_ID.fullmatch(name) and lines.str.contains(name, literal=True).any()
            }
    return sorted(hidden & named)


def _hidden_ids(case: Case) -> set[str]:
    if case.hidden is not None:
        return {*case.hidden}
    sides = (case.held_out, case.unseen)
    return {name for side in sides if side for name in side.frame["nct_id"]}


def held_out_ids(case: Case) -> Estimate:
    """Number of validation and test trials whose id stands in a record, its lineage, exemplars or reasons."""
    return Estimate(float(len(named_held_out(case))), n=len(_hidden_ids(case)))


METRICS = (
    Metric("leakage.outcome_told", Direction.LOWER, 0, 1, outcome_share),
    Metric("leakage.held_out_ids", Direction.LOWER, 0, float("inf"), held_out_ids),
)
