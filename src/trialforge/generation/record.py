"""A draft as a record in the registration view, with its lineage and an id that follows from both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from trialforge.core.files import hash_json
from trialforge.generation.schema import AGE_FIELDS, CRITERIA_FIELDS, CUT_MARK, LIST_BOUNDS, TEXT_BOUNDS
from trialforge.trial.checks.form import distinct_items
from trialforge.trial.criteria_lists import join_criteria
from trialforge.trial.record import REGISTRATION_SCHEMA, SYNTHETIC_PREFIX

LINEAGE_SCHEMA: dict[str, pl.DataType] = {
    "normalized_interventions": pl.List(pl.String()), "label": pl.Int64(), "target_id": pl.String(),
    "intervention": pl.String(), "arm": pl.String(), "generation": pl.Int64(), "reject_reason": pl.String(),
    "exemplars": pl.List(pl.String()), "reasons_id": pl.String(), "prompt_hash": pl.String(),
    "model": pl.String(), "model_digest": pl.String(), "engine": pl.String(), "version": pl.String(),
    "sampling": pl.String(), "seed": pl.Int64(), "attempt": pl.Int64(),
}  # fmt: skip
GENERATED_SCHEMA: dict[str, pl.DataType] = REGISTRATION_SCHEMA | LINEAGE_SCHEMA


def name_record(record: Mapping[str, Any], target_id: str) -> str:
    """Return the id of a synthetic record: its content and target decide it."""
    content = {name: value for name, value in record.items() if name != "nct_id"}
    return f"{SYNTHETIC_PREFIX}{hash_json([content, target_id])[:12]}"


def draft_to_record(
    draft: Mapping[str, Any], *, intervention: str, intervention_type: str | None, conditions: Sequence[str],
    phase: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Return REGISTRATION_SCHEMA values of a draft, without id; what the plan decides is filled in here."""
    record: dict[str, Any] = dict.fromkeys(REGISTRATION_SCHEMA) | {
        name: [] for name, dtype in REGISTRATION_SCHEMA.items() if dtype.base_type().__name__ == "List"
    }
    design = draft.get("design", {})
    for name, value in {**draft, **design, **draft.get("ages", {})}.items():
        if name in record and name != "arms":
            record[name] = tidy(value, name)
    arms = design.get("arms", [])
    given = [_intervention(intervention, intervention_type)]
    if any(arm["type"] == "Placebo Comparator" for arm in arms):
        given.append(_intervention("Placebo", "Other"))
    record |= {
        "source": "synthetic",
        "study_type": "Interventional",
        "phase": phase,
        "conditions": list(conditions),
        "interventions": given,
        "arms": [_arm(arm, intervention) for arm in arms],
        "criteria": join_criteria(*_criteria(draft)),
    }
    for name in ("primary_outcomes", "secondary_outcomes"):
        record[name] = [{**endpoint, "description": None} for endpoint in record[name]]
    for name in AGE_FIELDS:
        record[name] = None if record[name] is None else float(record[name])
    return record


def _criteria(draft: Mapping[str, Any]) -> list[list[str]]:
    """The two lists of criteria without what they repeat, unless that leaves too few."""
    drafted = [draft.get(name, []) for name in CRITERIA_FIELDS]
    left = distinct_items(*drafted)
    enough = all(
        len(items) >= LIST_BOUNDS[name].low for name, items in zip(CRITERIA_FIELDS, left, strict=True)
    )
    kept = left if enough else drafted
    return [tidy(items, name) for name, items in zip(CRITERIA_FIELDS, kept, strict=True)]


def tidy(value: Any, name: str) -> Any:
    """Return a draft's value with spaces tidied; a text that ran into its bound ends at a whole word."""
    if isinstance(value, list):
        return [tidy(item, name) for item in value]
    if isinstance(value, dict):
        return {part: tidy(item, f"{name}.{part}") for part, item in value.items()}
    if not isinstance(value, str):
        return value
    text = " ".join(value.split()).removesuffix(" …").removesuffix(f" {CUT_MARK}")
    bound = TEXT_BOUNDS.get(name)
    if bound is None or len(value) < bound.high:
        return text
    end = max(text.rfind(mark) for mark in (". ", "; "))
    return text[: end + 1].rstrip(";") if end > bound.low else text.rsplit(" ", 1)[0].rstrip(" ,;:(-")


def _intervention(name: str, kind: str | None) -> dict[str, Any]:
    return {"type": kind, "name": name, "description": None, "other_names": []}


def _arm(arm: Mapping[str, Any], intervention: str) -> dict[str, Any]:
    given = {"Experimental": [intervention], "Placebo Comparator": ["Placebo"]}
    return {
        "label": tidy(arm["label"], "arms.label"),
        "type": arm["type"],
        "description": None,
        "interventions": given.get(arm["type"], []),
    }
