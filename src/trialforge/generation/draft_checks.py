"""What no schema can say of a draft: that it is of its target, new, and of a trial that has not yet begun."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trialforge.generation.asking import Fault
from trialforge.generation.on_target import (
    copied_codes,
    has_other_script,
    names_condition,
    names_intervention,
    other_phase,
    plain_text,
)
from trialforge.generation.record import distinct_items
from trialforge.generation.schema import CRITERIA_FIELDS, LIST_BOUNDS

_REGISTRY_ID = re.compile(r"(?i)\bNCT\s?\d{6,8}\b|\bSIM\d{6,}\b")
_MARKUP = re.compile(r"[{}|]|</|\[\.\.\.")
# The label is in the prompt, and a small model repeats it: "A new trial has failed".
_TOLD = re.compile(
    r"(?i)\b(?:trials?|study|studies)(?: of [\w-]+)?(?: (?:has|have|had|that|which|was|were|is|been))*"
    r" (?:failed|succeeded|(?:un)?successful)\b"
)


def check_draft(
    draft: Mapping[str, Any], target: Mapping[str, Any], exemplars: Sequence[Mapping[str, Any]]
) -> None:
    """Check what no schema can say: that the draft is of its target, new and consistent.

    Raises:
        Fault: the first of the faults found.
    """
    items = distinct_items(draft)
    if any(name in draft and len(items[name]) < LIST_BOUNDS[name].low for name in CRITERIA_FIELDS):
        raise Fault("repeated-items")
    labels = [plain_text(arm["label"]) for arm in draft.get("design", {}).get("arms", [])]
    if len(set(labels)) < len(labels):
        raise Fault("repeated-arms")
    title, summary = draft.get("title", ""), draft.get("summary", "")
    titles = {plain_text(trial[name] or "") for trial in exemplars for name in ("title", "official_title")}
    if plain_text(title) in titles:
        raise Fault("copied-title")
    runs = _runs(summary)
    if runs and any(runs <= _runs(trial["summary"] or "") for trial in exemplars):
        raise Fault("copied-summary")
    text = json.dumps(draft, ensure_ascii=False)
    if _REGISTRY_ID.search(text):
        raise Fault("registry-id")
    told = " ".join([target["intervention"], *target["conditions"]]).upper()
    if copied_codes(text, exemplars, told):
        raise Fault("copied-code")
    if has_other_script(text):
        raise Fault("other-script")
    said = f"{title} {summary}"
    if _MARKUP.search(said):
        raise Fault("markup")
    if not names_intervention(" ".join([said, *labels]), target["intervention"]):
        raise Fault("other-intervention")
    if not names_condition(" ".join([said, *itertools.chain(*items.values())]), target["conditions"]):
        raise Fault("other-condition")
    if _TOLD.search(said):
        raise Fault("tells-outcome")
    if other_phase(said, target["phase"]):
        raise Fault("other-phase")


def _runs(text: str) -> set[tuple[str, ...]]:
    """The runs of 5 words of a text."""
    words = plain_text(text).split()
    return set(zip(*(words[start:] for start in range(5)), strict=False))
