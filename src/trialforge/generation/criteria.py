"""Eligibility criteria: from the registry's one text to two lists of items, and back."""

from __future__ import annotations

import re
from collections.abc import Sequence

_EXCLUSION_HEAD = re.compile(
    r"(?im)^[\s*#-]*(?:key |main |major )?(?:exclusion criteria|exclusion)\b[^\n:]{0,40}:?\s*$"
)
_EXCLUSION_INLINE = re.compile(r"(?i)\bexclusion criteria\b\s*:?")
_INCLUSION_HEAD = re.compile(r"(?i)^\s*(?:key |main |major )?inclusion criteria\b\s*:?|^\s*inclusion\s*:")
_BULLET = re.compile(r"^\s*(?:[-*•·–]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+")


def split_criteria(text: str | None) -> tuple[list[str], list[str]]:
    """Return the inclusion and the exclusion items of criteria text, each on one line."""
    if not text:
        return [], []
    found = _EXCLUSION_HEAD.search(text) or _EXCLUSION_INLINE.search(text)
    if found is None:
        return _items(_INCLUSION_HEAD.sub("", text, count=1)), []
    return _items(_INCLUSION_HEAD.sub("", text[: found.start()], count=1)), _items(text[found.end() :])


def join_criteria(inclusion: Sequence[str], exclusion: Sequence[str]) -> str:
    """Return the two lists as the registry writes them in one text."""
    parts = (("Inclusion Criteria", inclusion), ("Exclusion Criteria", exclusion))
    return "\n\n".join(f"{head}:\n\n" + "\n".join(f"- {item}" for item in items) for head, items in parts)


def _items(text: str) -> list[str]:
    """Lines that open with a bullet start an item; other lines go on with the one before."""
    items: list[str] = []
    fresh = True
    for line in text.splitlines():
        if not line.strip():
            fresh = True
            continue
        words = " ".join(_BULLET.sub("", line).split())
        if fresh or not items or _BULLET.match(line):
            items.append(words)
        else:
            items[-1] = f"{items[-1]} {words}"
        fresh = False
    return [item for item in items if item]
