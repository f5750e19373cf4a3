"""Eligibility criteria as two lists, the items of inclusion and those of exclusion, as a draft has them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trialforge.trial.criteria import Criteria, Group, Item, parse
from trialforge.trial.criteria_pdq import is_pdq, split_pdq
from trialforge.trial.criteria_words import EXCLUDING_LEAD, INCLUDING_LEAD

SIDES = ("inclusion", "exclusion")
# Of a line that leads a list in: what its list means nothing without, or the opposite.
_CHOICE = re.compile(r"(?i)\b(?:one|two|any|either|at least|defined)\b")
_EXCEPTION = re.compile(r"(?i)\b(?:except\w*|unless|other than)\b")
_DENIAL = re.compile(r"(?i)(?:no|not|none|must not have)\b|.*\b(?:without|absence of|free of|none of)\b")
_LIST_END = re.compile(r"[\s;,.]*(?:\b(?:and|or|and/or)|(?<!, )\b(?:AND|OR))?[\s;,.]*$")
_OR = re.compile(r"(?i)\b(?P<word>(?:and/)?or)[;,.]*$")
_MOST_WORDS = 60  # of a criterion with its list; more if it denies or excepts what is listed below it


def split_criteria(text: str | None) -> tuple[list[str], list[str]]:
    """Return the inclusion and the exclusion items of criteria text, each on one line.

    An item that the text puts on no side counts as inclusion, but for PDQ's criteria, whose own words tell. A
    list within an item is part of it: "No cardiac event, including: Stroke; Angina".
    """
    criteria = Criteria(tuple(_fold(group) for group in parse(text).groups))
    if is_pdq(criteria):
        inclusion, exclusion = split_pdq(criteria)
    else:
        inclusion, exclusion = (
            [item.text for item in criteria.items(*sides)]
            for sides in (("inclusion", "unspecified"), ("exclusion",))
        )
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
    items = group.items
    if group.side != "exclusion" and items and _DENIAL.match(group.heading):
        items = (Item(f"{group.heading}:", items[0].side, -1), *items)
    folded: list[Item] = []
    place = 0
    while place < len(items):
        item, begin = items[place], place + 1
        place = _end_of_list(items, place)
        if place > begin:
            listed = "; ".join(_LIST_END.sub("", other.text) for other in items[begin:place]).replace(
                ":; ", ": "
            )
            item = item._replace(text=f"{item.text} {listed.rstrip(': ')}", level=max(item.level, 0))
        folded.append(item)
    return group._replace(items=tuple(_join_alternatives(folded)))


def _join_alternatives(items: Sequence[Item]) -> list[Item]:
    """Return items in which one that ends in "or" goes on with the next."""
    joined = list(items[:1])
    for item in items[1:]:
        before = joined[-1]
        found = _OR.search(before.text)
        if found and before.side == item.side and _count_words([before, item]) <= _MOST_WORDS:
            joined[-1] = before._replace(text=f"{before.text[: found.end('word')]} {item.text}")
        else:
            joined.append(item)
    return joined


def _end_of_list(items: Sequence[Item], place: int) -> int:
    """Return where the list ends that is part of an item: just behind it, if there is none."""
    lead, begin = items[place], place + 1
    if not lead.text.endswith(":"):
        return begin
    end = next((n for n in range(begin, len(items)) if items[n].level <= lead.level), len(items))
    if lead.level < 0 or (
        end == begin and _DENIAL.match(lead.text)
    ):  # its list is no deeper than what follows
        others = range(begin, len(items))
        end = next((n for n in others if _DENIAL.match(items[n].text)), len(items))
        if _count_words(items[place:end]) > _MOST_WORDS:
            return begin
    return end if end > begin and _is_part(lead.text, items[begin:end]) else begin


def _count_words(items: Sequence[Item]) -> int:
    return sum(item.text.count(" ") + 1 for item in items)


def _is_part(lead: str, below: Sequence[Item]) -> bool:
    """Whether a list belongs to the line above it; most such lines only say on which side their list is."""
    if _EXCEPTION.search(lead):
        return True
    if EXCLUDING_LEAD.search(lead):
        return below[0].side != "exclusion"
    if _DENIAL.match(lead):
        return True
    if INCLUDING_LEAD.match(lead) and not _CHOICE.search(lead):
        return False
    return lead.count(" ") + 1 + _count_words(below) <= _MOST_WORDS


def _without_leads(items: Sequence[str]) -> list[str]:
    """Return the items without those that only lead others in."""
    return [item for item in items if item and not item.endswith(":")]
