"""Eligibility criteria as two lists, the items of inclusion and those of exclusion, as a draft has them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trialforge.trial.criteria import Criteria, Group, Item, parse
from trialforge.trial.criteria_pdq import is_pdq, split_pdq
from trialforge.trial.criteria_words import EXCLUDING_LEAD, INCLUDING_LEAD

SIDES = ("inclusion", "exclusion")
# A line that leads a list in and means little without it, or turns it round.
_CHOICE = re.compile(r"(?i)\b(?:one|two|any|either|at least|except|unless|defined)\b")
_DENIAL = re.compile(r"(?i)(?:no|not|none|must not have)\b")
_END = re.compile(r"(?i)[\s;,.]*(?:\b(?:and|or|and/or))?[\s;,.]*$")
_MOST_WORDS = 60  # of a criterion made of a list


def split_criteria(text: str | None) -> tuple[list[str], list[str]]:
    """Return the inclusion and the exclusion items of criteria text, each on one line.

    An item that the text puts on no side counts as inclusion, but for PDQ's criteria, whose own words tell. A
    list within an item is part of it: "No cardiac event, including: Stroke; Angina".
    """
    criteria = Criteria(tuple(_fold(group) for group in parse(text).groups))
    exclusion = [item.text for item in criteria.items("exclusion")]
    if is_pdq(criteria):
        included, excluded = split_pdq(criteria)
        inclusion = [item.text for item in criteria.items("inclusion")] + included
        exclusion += excluded
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


def _fold(group: Group) -> Group:
    """Return a group whose items have the list that they lead in, unless that says no more than a heading."""
    folded: list[Item] = []
    items = list(group.items)
    while items:
        item, *items = items
        deeper = [other.level > item.level for other in items]
        below = items[: [*deeper, False].index(False)]
        if below and item.text.endswith(":") and _is_part(item.text, below):
            listed = "; ".join(_END.sub("", other.text) for other in below).replace(":; ", ": ")
            item = item._replace(text=f"{item.text} {listed}")
            items = items[len(below) :]
        folded.append(item)
    return group._replace(items=tuple(folded))


def _is_part(lead: str, below: Sequence[Item]) -> bool:
    """Whether a list belongs to the line above it."""
    if EXCLUDING_LEAD.search(lead) or (INCLUDING_LEAD.match(lead) and not _CHOICE.search(lead)):
        return False
    words = sum(text.count(" ") + 1 for text in (lead, *(item.text for item in below)))
    return words <= _MOST_WORDS or _DENIAL.match(lead) is not None


def _without_leads(items: Sequence[str]) -> list[str]:
    """Return the items without those that only lead others in."""
    return [item for item in items if item and not item.endswith(":")]
