"""What no schema can say of a draft: that it is of its target, new, and of a trial that has not yet begun."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trialforge.generation.draft_schema import CRITERIA_FIELDS
from trialforge.generation.drafts import Fault
from trialforge.generation.on_target import (
    has_other_script,
    names_condition,
    names_intervention,
    other_phase,
    plain_text,
)

_REGISTRY_ID = re.compile(r"(?i)\bNCT\s?\d{6,8}\b|\bSIM\d{6,}\b")
# The label is in the prompt, and a small model repeats it: "A new trial has failed".
_TOLD = re.compile(
    r"(?i)\b(?:trials?|study|studies)(?: of [\w-]+)?(?: (?:has|have|had|that|which|was|were|is|been))*"
    r" (?:failed|succeeded|(?:un)?successful)\b"
)


def check_draft(draft: Mapping[str, Any], target: Mapping[str, Any], exemplar_titles: Sequence[str]) -> None:
    """Check what no schema can say: that the draft is of its target, new and consistent.

    Raises:
        Fault: the first of the faults found.
    """
    items = [plain_text(item) for name in CRITERIA_FIELDS for item in draft.get(name, [])]
    if len(set(items)) < len(items):
        raise Fault("repeated-items")
    labels = [plain_text(arm["label"]) for arm in draft.get("design", {}).get("arms", [])]
    if len(set(labels)) < len(labels):
        raise Fault("repeated-arms")
    if plain_text(draft.get("title", "")) in {plain_text(title) for title in exemplar_titles if title}:
        raise Fault("copied-title")
    text = json.dumps(draft, ensure_ascii=False)
    if _REGISTRY_ID.search(text):
        raise Fault("registry-id")
    if has_other_script(text):
        raise Fault("other-script")
    said = f"{draft.get('title', '')} {draft.get('summary', '')}"
    if not names_intervention(" ".join([said, *labels]), target["intervention"]):
        raise Fault("other-intervention")
    if not names_condition(" ".join([said, *items]), target["conditions"]):
        raise Fault("other-condition")
    if _TOLD.search(said):
        raise Fault("tells-outcome")
    if other_phase(said, target["phase"]):
        raise Fault("other-phase")
