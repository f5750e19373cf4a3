"""Eligibility criteria: from the registry's one text to two lists of items, and back."""

from __future__ import annotations

import re
from collections.abc import Sequence

_EXCLUSION_HEAD = re.compile(
    r"(?im)^[\s*#-]*(?:key |main |major )?(?:exclusion criteria|exclusion)\b[^\n:]{0,40}:?\s*$"
)
_EXCLUSION_INLINE = re.compile(r"(?i)\bexclusion criteria\b\s*:?")
_INCLUSION_HEAD = re.compile(r"(?i)^\s*(?:key |main |major )?inclusion criteria\b\s*:?|^\s*inclusion\s*:")
# Cancer trials of the nineties and after run their items together under headings in capitals.
_CHARACTERISTICS = re.compile(r"(?:^|\n)\s*(?:DISEASE|PATIENT) CHARACTERISTICS:")
_CAPITAL_HEAD = re.compile(r"\b[A-Z][A-Z/ ]{8,}:")
_RUN_ON = re.compile(r"(?<=[a-z0-9)])\.?\s+(?=[A-Z][a-z])|\s+(?=[A-Z][a-z]+(?: [a-z]+)?: )")
_EXCLUDING = re.compile(r"(?:[A-Z][a-z /]+: )?(?:No|Not|Must not)\b(?! specified) ")
_BULLET = re.compile(r"^\s*(?:[-*•·–]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+")


def split_criteria(text: str | None) -> tuple[list[str], list[str]]:
    """Return the inclusion and the exclusion items of criteria text, each on one line."""
    if not text:
        return [], []
    if _CHARACTERISTICS.search(text):
        return _split_characteristics(text)
    found = _EXCLUSION_HEAD.search(text) or _EXCLUSION_INLINE.search(text)
    if found is None:
        return _items(_INCLUSION_HEAD.sub("", text, count=1)), []
    return _items(_INCLUSION_HEAD.sub("", text[: found.start()], count=1)), _items(text[found.end() :])


def join_criteria(inclusion: Sequence[str], exclusion: Sequence[str]) -> str:
    """Return the two lists as the registry writes them in one text."""
    parts = (("Inclusion Criteria", inclusion), ("Exclusion Criteria", exclusion))
    return "\n".join(f"{head}:\n" + "\n".join(f"- {item}" for item in items) for head, items in parts)


def _split_characteristics(text: str) -> tuple[list[str], list[str]]:
    """Split run-on items where a capital follows a small letter; those that say no exclude what follows."""
    items = [
        words for part in _CAPITAL_HEAD.split(text) for item in _items(part) for words in _RUN_ON.split(item)
    ]
    told = [item for item in items if item.count(" ") > 1 and not item.rstrip(".").endswith("specified")]
    excluding = [_EXCLUDING.sub("", item) for item in told if _EXCLUDING.match(item)]
    return [item for item in told if not _EXCLUDING.match(item)], [
        item[:1].upper() + item[1:] for item in excluding
    ]


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
    return [item for item in items if item and not item.endswith(":")]
