"""A registered trial in the shape of a draft, as a prompt shows it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from trialforge.generation.schema import AGE_FIELDS, CRITERIA_FIELDS, DESIGN_FIELDS, LIST_BOUNDS, TEXT_BOUNDS
from trialforge.trial.criteria_lists import split_criteria

_RATIONALE = re.compile(r"^RATIONALE:.*?\bPURPOSE:\s*", re.DOTALL)


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


def shorten_items(items: Sequence[str], name: str) -> list[str]:
    """Return the first items that fit field `name` whole; if none does, the first one shortened."""
    fitting = [item for item in items if len(item) <= TEXT_BOUNDS[name].high][: LIST_BOUNDS[name].high]
    return fitting or [shorten(item, name) for item in items[:1]]


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
