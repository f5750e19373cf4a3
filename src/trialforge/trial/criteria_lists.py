"""Eligibility criteria as two lists, the items of inclusion and those of exclusion, as a draft has them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trialforge.trial.criteria import parse

SIDES = ("inclusion", "exclusion")
# Cancer trials of the nineties and after run their items together under headings in capitals.
_CHARACTERISTICS = re.compile(r"(?:DISEASE|PATIENT) CHARACTERISTICS")
_RUN_ON = re.compile(r"(?<=[a-z0-9)])\.?\s+(?=[A-Z][a-z])|\s+(?=[A-Z][a-z]+(?: [a-z]+)?: )")
_EXCLUDING = re.compile(r"(?:[A-Z][a-z /]+: )?(?:No|Not|Must not)\b(?! specified) ")


def split_criteria(text: str | None) -> tuple[list[str], list[str]]:
    """Return the inclusion and the exclusion items of criteria text, each on one line.

    An item that the text puts on no side counts as inclusion; where items run on, those that say no
    exclude what follows.
    """
    criteria = parse(text)
    inclusion = [item.text for item in criteria.items("inclusion")]
    exclusion = [item.text for item in criteria.items("exclusion")]
    unspecified = [item.text for item in criteria.items("unspecified")]
    if any(_CHARACTERISTICS.fullmatch(group.heading) for group in criteria.groups):
        run_on = [words for item in unspecified for words in _RUN_ON.split(item)]
        told = [item for item in run_on if item.count(" ") > 1 and not item.rstrip(".").endswith("specified")]
        inclusion += [item for item in told if not _EXCLUDING.match(item)]
        denied = [_EXCLUDING.sub("", item) for item in told if _EXCLUDING.match(item)]
        exclusion += [item[:1].upper() + item[1:] for item in denied]
    else:
        inclusion = [item.text for item in criteria.items("inclusion", "unspecified")]
    return _without_leads(inclusion), _without_leads(exclusion)


def join_criteria(inclusion: Sequence[str], exclusion: Sequence[str]) -> str:
    """Return the two lists as the registry writes them in one text; an empty list has no heading."""
    lists = {"Inclusion Criteria:": inclusion, "Exclusion Criteria:": exclusion}
    lines: list[str] = []
    for heading, items in lists.items():
        lines += [heading, *(f"- {item}".rstrip() for item in items)] if items else []
    return "\n".join(lines)


def _without_leads(items: Sequence[str]) -> list[str]:
    """Return the items without those that only lead others in."""
    return [item for item in items if item and not item.endswith(":")]
