"""Eligibility criteria as two lists, the items of inclusion and those of exclusion, as a draft has them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trialforge.trial.criteria import Criteria, Group, Item, parse
from trialforge.trial.criteria_pdq import is_pdq, split_pdq
from trialforge.trial.criteria_words import EXCLUDING_LEAD, INCLUDING_LEAD, NEXT_CRITERION, join_list

SIDES = ("inclusion", "exclusion")
# Words of a line that introduces a list without which the list would mean nothing, or the opposite.
_CHOICE = re.compile(r"(?i)\b(?:one|two|any|either|at least|defined)\b")
_EXCEPTION = re.compile(r"(?i)\b(?:except\w*|unless|other than)\b[^:]{0,40}:?$")
_DENIAL = re.compile(r"(?i)(?:no|not|none|must not have|without|absence of|free of)\b")
_LIST_END = re.compile(r"[\s;,.]*(?:\b(?:and|or|and/or)|(?<!, )\b(?:AND|OR))?[\s;,.]*$")
_OR = re.compile(r"(?i)[\s;,]*\b(?P<word>(?:and/)?or)[;,.]*$")
_MOST_WORDS = 60  # of a criterion with its list; a denial or an exception may have a longer list below it


def split_criteria(text: str | None) -> tuple[list[str], list[str]]:
    """Return the inclusion and the exclusion items of criteria text, each on one line.

    An item that the text puts on no side counts as inclusion, but for PDQ's criteria, whose own words tell.
    A list within an item is part of it ("No cardiac event, including: Stroke; Angina"), unless it is long or
    the item does no more than name a side; so is what follows "or".
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
    """Return a group with each list folded into the item, or the heading, that introduces it."""
    items = group.items
    turns = _EXCEPTION.search(group.heading) or (group.side != "exclusion" and _DENIAL.match(group.heading))
    if items and turns:
        items = (Item(f"{group.heading}:", items[0].side, -1), *items)
    folded: list[Item] = []
    place = 0
    while place < len(items):
        item, begin = items[place], place + 1
        place = _end_of_list(items, place)
        if place > begin:
            listed = join_list([item.text, *(_LIST_END.sub("", other.text) for other in items[begin:place])])
            goes_on = " OR" if place < len(items) and _OR.search(items[place - 1].text) else ""
            item = item._replace(text=f"{listed.rstrip(': ')}{goes_on}", level=max(item.level, 0))
        folded.append(item)
    return group._replace(items=tuple(_join_alternatives(folded)))


def _join_alternatives(items: Sequence[Item]) -> list[Item]:
    """Return items in which one that ends in "or" goes on with the next; exclusions are so anyway."""
    joined = list(items[:1])
    for item in items[1:]:
        before = joined[-1]
        found = _OR.search(before.text) if before.side != "exclusion" else None
        if not found:
            joined.append(item)
        elif before.side != item.side:
            joined[-1:] = [before._replace(text=before.text[: found.start()]), item]
        elif _count_words([before, item]) <= _MOST_WORDS:
            joined[-1] = before._replace(text=f"{before.text[: found.end('word')]} {item.text}")
        else:
            joined.append(item)
    return [*joined[:-1], *(item._replace(text=_OR.sub("", item.text)) for item in joined[-1:])]


def _end_of_list(items: Sequence[Item], place: int) -> int:
    """Return the place after the list that is part of an item; the place after the item if it has none."""
    lead, begin = items[place], place + 1
    if not lead.text.endswith(":"):
        return begin
    denies = _DENIAL.match(lead.text)
    end = next((n for n in range(begin, len(items)) if items[n].level <= lead.level), len(items))
    flat = lead.level < 0 or (denies and end == begin)  # no deeper than what follows: a heading has level -1
    if flat:
        end = len(items)
    if flat or denies or _EXCEPTION.search(lead.text):
        end = next((n for n in range(begin, end) if NEXT_CRITERION.match(items[n].text)), end)
    if flat and _count_words(items[place:end]) > _MOST_WORDS:
        return begin
    return end if end > begin and _is_part(lead, items[begin:end]) else begin


def _count_words(items: Sequence[Item]) -> int:
    return sum(item.text.count(" ") + 1 for item in items)


def _is_part(lead: Item, below: Sequence[Item]) -> bool:
    """Whether a list belongs to the line above it, and that line doesn't just say which side it is on."""
    if _EXCEPTION.search(lead.text):
        return True
    if EXCLUDING_LEAD.search(lead.text):
        return below[0].side != "exclusion"
    if _DENIAL.match(lead.text):
        return True
    if INCLUDING_LEAD.match(lead.text) and not _CHOICE.search(lead.text):
        return False
    return _count_words([lead, *below]) <= _MOST_WORDS


def _without_leads(items: Sequence[str]) -> list[str]:
    """Return the items without those that only lead others in."""
    return [item for item in items if item and not item.endswith(":")]
