"""A run of whole records through the real functions: skeletons drawn, texts of other trials put into them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import polars as pl

from trialforge.generation.drafts import generated_row
from trialforge.generation.reasons import REASONS_SCHEMA
from trialforge.generation.record import GENERATED_SCHEMA, Draft
from trialforge.simulation.corpus import simulate
from trialforge.split.params import PlanParams
from trialforge.split.plan import plan_targets
from trialforge.trial.criteria_lists import split_criteria
from trialforge.trial.leakage import registration_view

PLAN = PlanParams(min_success=1, min_failure=1, interventions=3, records=4, arms=("retrieval-reasoning",))
ORIGIN = {
    "model": "small", "engine": "llama.cpp 1", "version": "0.1.0", "prompt_hash": "p" * 64,
    "sampling": '{"temperature": 0.8}',
}  # fmt: skip
_TEXTS = ("title", "official_title", "summary", "detailed_description")
_ITEMS = {
    "interventions": ("description",), "arms": ("label", "description"),
    "primary_outcomes": ("measure", "time_frame", "description"),
    "secondary_outcomes": ("measure", "time_frame", "description"),
}  # fmt: skip


def simulated_trials(size: int = 120) -> pl.DataFrame:
    """Simulated trials, labelled by turns."""
    return registration_view(simulate(size, 3)).with_columns(
        label=pl.int_range(pl.len(), dtype=pl.Int64) % 2,
        normalized_interventions=pl.col("interventions").list.eval(
            pl.element().struct.field("name").str.to_lowercase()
        ),
    )


def make_run(train: pl.DataFrame, writers: pl.DataFrame, plan: PlanParams = PLAN) -> dict[str, pl.DataFrame]:
    """Return the tables of a run in which no model wrote, by name.

    Args:
        train: labelled trials with `normalized_interventions`; each record is shown three of them.
        writers: the trials whose texts stand in the records; the first inclusion item is an exemplar's.
    """
    planned = plan_targets(train, plan, 1)
    rows = []
    for place, target in enumerate(planned.iter_rows(named=True)):
        like = train.filter(pl.col("normalized_interventions").list.contains(target["intervention"])).head(3)
        shown = {"exemplars": like["nct_id"].to_list(), "reasons_id": "R-1"}
        draft = Draft(target | shown)
        texts = _texts(target["skeleton"], writers.row(place, named=True), like)
        draft.record = draft.record_with(texts)
        rows.append(generated_row(draft, ORIGIN))
    generated = pl.DataFrame(rows, schema=GENERATED_SCHEMA)
    shown = train.row(0, named=True)
    reason = {
        "text": "The trial that failed was smaller.", "nct_id": shown["nct_id"], "field": "summary",
        "quotation": shown["summary"], "rank": 1, "true": True, "seed": 1, "attempt": 0,
    }  # fmt: skip
    reasons = [{"reasons_id": "R-1", "grounded": 1.0, "reasons": [reason], "reject_reasons": []}]
    return {
        "train": train,
        "plan": planned,
        "generated": generated,
        "synthetic": generated.filter(pl.int_range(pl.len()) != 1),
        "rejected": generated.slice(1, 1).with_columns(
            reject_reasons=pl.lit(["copied_title", "near_copy_of_train"]),
            near_copy_of=pl.lit(train["nct_id"][0]),
        ),
        "reasons": pl.DataFrame(reasons, schema=REASONS_SCHEMA),
    }


def _texts(skeleton: Mapping[str, Any], writer: Mapping[str, Any], like: pl.DataFrame) -> dict[str, Any]:
    """Answers as a model would give them: as many items as the skeleton has, of a real trial's words."""
    words = iter_sentences(writer)
    inclusion, exclusion = split_criteria(writer["criteria"])
    copied = split_criteria(like["criteria"][0])[0][:1]
    sides = {"inclusion": copied + inclusion, "exclusion": exclusion}
    return (
        {name: writer[name] or "Words" for name in _TEXTS[:2] if skeleton[name]}
        | {name: {"1": writer[name] or "Words."} for name in _TEXTS[2:] if skeleton[name]}
        | {"keywords": _number(writer["keywords"] or [], skeleton["keywords"], words)}
        | {side: _number(items, len(skeleton[side]), words) for side, items in sides.items()}
        | {
            name: {
                str(place): {
                    part: "12 weeks" if part == "time_frame" else next(words)
                    for part in parts
                    if item.get(part)
                }
                for place, item in enumerate(skeleton[name], start=1)
            }
            for name, parts in _ITEMS.items()
        }
    )


def _number(items: Sequence[str], size: int, words: Iterator[str]) -> dict[str, str]:
    return {str(at + 1): items[at] if at < len(items) else next(words) for at in range(size)}


def iter_sentences(writer: Mapping[str, Any]) -> Iterator[str]:
    """Sentences of a trial, without end."""
    found = [part.strip() for part in (writer["summary"] or "Words").split(". ") if part.strip()]
    for at in count():
        yield f"{found[at % len(found)]}{'' if at < len(found) else f' {at}'}"
