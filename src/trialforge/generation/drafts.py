"""Drafts: what a model wrote, checked, and as a record in the registration view."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from trialforge.budget import CUT_MARK
from trialforge.core.trial import REGISTRATION_SCHEMA
from trialforge.generation.criteria import join_criteria, split_criteria
from trialforge.generation.draft_schema import (
    AGE_FIELDS,
    CRITERIA_FIELDS,
    DESIGN_FIELDS,
    LIST_BOUNDS,
    TEXT_BOUNDS,
)
from trialforge.generation.on_target import plain_text

_RATIONALE = re.compile(r"^RATIONALE:.*?\bPURPOSE:\s*", re.DOTALL)


class Fault(Exception):
    """Why an answer is no draft; asked again with another seed, and the reject reason in the end."""


def view_trial(trial: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Return a registered trial in the shape of a draft, shortened to what a draft may hold."""
    inclusion, exclusion = split_criteria(trial["criteria"])
    criteria = {"inclusion": inclusion, "exclusion": exclusion}
    view: dict[str, Any] = {}
    for name in fields:
        if name == "design":
            design = {part: trial[part] for part in DESIGN_FIELDS[:-1]} | {"arms": _view_arms(trial)}
            view[name] = {part: value for part, value in design.items() if value}
        elif name in CRITERIA_FIELDS:
            view[name] = shorten_items(criteria[name], name)
        elif name in ("primary_outcomes", "secondary_outcomes"):
            view[name] = [
                {
                    part: shorten(item[part], f"{name}.{part}")
                    for part in ("measure", "time_frame")
                    if item[part]
                }
                for item in (trial[name] or [])[: LIST_BOUNDS[name].high]
            ]
        elif name == "keywords":
            view[name] = shorten_items(trial[name] or [], name)
        elif name == "summary":
            view[name] = shorten(_RATIONALE.sub("", trial[name] or ""), name)
        elif name == "ages":
            view[name] = {part: None if trial[part] is None else round(trial[part]) for part in AGE_FIELDS}
        else:
            view[name] = shorten(trial[name], name) if isinstance(trial[name], str) else trial[name]
    return {name: value for name, value in view.items() if value not in (None, [], "", {})}


def _view_arms(trial: Mapping[str, Any]) -> list[dict[str, Any]]:
    arms = (trial["arms"] or [])[:3]
    return [{"label": shorten(arm["label"], "arms.label"), "type": arm["type"]} for arm in arms]


def shorten(text: str, name: str) -> str:
    """Return text that fits field `name`: whole sentences if one fits, else whole words and a mark."""
    bound = TEXT_BOUNDS.get(name)
    text = " ".join(text.split())
    if bound is None or len(text) <= bound.high:
        return text
    end = max(text.rfind(mark, 0, bound.high) for mark in (". ", "! ", "? "))
    if end >= bound.low:
        return text[: end + 1]
    return text[: bound.high - 2].rsplit(" ", 1)[0].rstrip(",;:") + " …"


def shorten_items(items: Sequence[str], name: str) -> list[str]:
    """Return the first items that fit field `name` whole; if none does, the first one shortened."""
    fitting = [item for item in items if len(item) <= TEXT_BOUNDS[name].high][: LIST_BOUNDS[name].high]
    return fitting or [shorten(item, name) for item in items[:1]]


def parse_draft(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the draft that an answer holds; what an engine let through is checked again.

    Raises:
        Fault: the answer is no JSON, or not by the schema.
    """
    try:
        draft = json.loads(text)
    except ValueError as error:
        raise Fault("not-json") from error
    if next(Draft202012Validator(schema).iter_errors(draft), None) is not None:
        raise Fault("not-schema")
    return dict(draft)


def distinct_items(draft: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the criteria lists without repeated items, and without those that stand in both."""
    lists = {name: {plain_text(item): item for item in draft.get(name, [])} for name in CRITERIA_FIELDS}
    seen = Counter(item for items in lists.values() for item in items)
    return {name: [item for key, item in items.items() if seen[key] == 1] for name, items in lists.items()}


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
        "criteria": join_criteria(*(tidy(items, name) for name, items in distinct_items(draft).items())),
    }
    for name in ("primary_outcomes", "secondary_outcomes"):
        record[name] = [{**endpoint, "description": None} for endpoint in record[name]]
    for name in AGE_FIELDS:
        record[name] = None if record[name] is None else float(record[name])
    return record


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
