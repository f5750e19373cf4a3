"""Eligibility criteria: from the registry's one text to items with a side, and back, without losing a word.

A side is what the text says, by a heading ("Exclusion Criteria:"), by a line that leads a list in
("Patients must have:") or in so many words ("Patients with a stent are excluded."). What stands under
no such heading is unspecified: "Not pregnant" alone doesn't say on which side of a list it stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from trialforge.trial.criteria_layout import Line, cut, read_items, read_lines, read_rest
from trialforge.trial.criteria_words import (
    EXCLUDING_LEAD,
    INCLUDING_LEAD,
    NEUTRAL_CRITERIA,
    bare,
    find_exclusion,
    find_heading,
    find_inside,
    may_name_side,
)

Side = Literal["inclusion", "exclusion", "unspecified"]

# "PATIENT CHARACTERISTICS: Age: 18 and over", as cancer trials of the nineties and after have it.
_CAPITALS = re.compile(r"([A-Z][A-Z]+(?:[ /,&-]+[A-Z]+)+) ?: +(?=\S)")
_COHORT = re.compile(r"(?i)(cohort|group|part|arm|phase|stage|step|stratum|study|substudy|population)\b")
_COHORT_TITLE = re.compile(
    r"(?i)(?:cohort|group|part|arm|sub-?study) (?:\d{1,2}|[a-z]|[ivx]{1,4})(?: ?[-–(].{1,60})?"
)
_SENTENCE = re.compile(r"(?<=[a-z0-9)]{3}[.;]) +(?=[A-Z])")
_MAY_BE_NUMBERED = re.compile(r"[\W_]|\w{1,5}[^\w ]|o |[①-⑳❶-➓]")
_TITLES = {"inclusion criteria": "Inclusion Criteria", "exclusion criteria": "Exclusion Criteria"}
# Longer ones say more than that; a lead-in that turns an exclusion into an inclusion must be plainer.
_STATEMENT_WORDS, _TAIL_WORDS, _LEAD_WORDS, _LEAD_WORDS_OUT = 60, 10, 30, 12


class Item(NamedTuple):
    """One criterion: its text on one line, its depth in the list, and its number as it stands, if any."""

    text: str
    side: Side
    level: int = 0
    number: str = ""


class Group(NamedTuple):
    """What stands under one heading; the heading is without its colon, and empty where there is none."""

    heading: str
    side: Side
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Criteria:
    """The groups of a text, in its order."""

    groups: tuple[Group, ...] = ()

    def items(self, *sides: Side) -> list[Item]:
        """Return the items in order, those of some sides only if any is named."""
        return [item for group in self.groups for item in group.items if not sides or item.side in sides]


class _Entry(NamedTuple):
    indent: int
    number: str
    text: str
    telling: bool


@dataclass(slots=True)
class _Draft:
    heading: str
    side: Side
    entries: list[_Entry] = field(default_factory=list)


def parse(text: str | None) -> Criteria:
    """Return the criteria of a text in any layout; each of its words is in one heading or one item.

    The exception is a table whose header names the sides: its columns' names stand again in each row.
    `parse(write(parse(text))) == parse(text)`.
    """
    reader = _Reader()
    reader.read(read_lines(text or ""))
    return Criteria(tuple(_close(draft) for draft in reader.drafts if draft.heading or draft.entries))


def stays_item(text: str, side: Side) -> bool:
    """Whether `- text` under a heading of inclusion or exclusion reads as one item of that side, whole."""
    if _MAY_BE_NUMBERED.match(text) and read_items(f"- {text}", 0) != [Line(0, True, "", text)]:
        return False
    if not may_name_side(text):
        return True
    if find_heading(text, bulleted=True) is not None or find_inside(text):
        return False
    return side == "exclusion" or not is_exclusion(text, side)


def write(criteria: Criteria) -> str:
    """Return the canonical text: a heading or an item a line, items as `- item`, deeper ones indented.

    Items keep their numbers. `write(parse(text)) == text` where `text` is canonical.
    """
    lines = []
    for group in criteria.groups:
        if group.heading:
            lines.append(f"{group.heading}:")
        lines += [f"{'  ' * item.level}{item.number or '-'} {item.text}".rstrip() for item in group.items]
    return "\n".join(lines)


class _Reader:
    """Lines in order -> groups; a section's side lasts to the next one, a lead-in's to the next heading."""

    def __init__(self) -> None:
        self.drafts = [_Draft("", "unspecified")]
        self.section: Side = "unspecified"
        self.outer: set[str] = set()
        self.sided = False
        self.waiting: list[Line] = []

    def read(self, lines: Sequence[Line]) -> None:
        """Read lines: each is an item, or a heading and what stands behind it, which waits its turn."""
        self.waiting += reversed(lines)
        while self.waiting:
            line = self.waiting.pop()
            # A title is read as if it had its colon, as the canonical text gives it one.
            text = f"{line.text}:" if line.titles else line.text
            telling = may_name_side(text)
            if telling and (found := find_heading(text, bulleted=line.marked)) is not None:
                heading = " ".join(filter(None, (line.number, found.heading)))
                self._open_section(_TITLES.get(heading.lower(), heading), found.side)
                self._put_back(found.rest, line.indent)
            elif telling and (places := find_inside(text)):
                first, *others = cut(text, places)
                self.waiting += [Line(line.indent, False, "", part) for part in reversed(others)]
                self.waiting.append(line._replace(text=first, titles=False))
            else:
                self._read_plain(line, text, telling=telling)

    def _put_back(self, text: str, indent: int) -> None:
        self.waiting += reversed(read_rest(text, indent))

    def _read_plain(self, line: Line, text: str, *, telling: bool) -> None:
        """Read what names no section: an item, or a heading within one."""
        if line.marked:
            self._add(line, text, telling=telling)
        elif text[:2].isupper() and (capitals := _CAPITALS.match(text)):
            self._open_neutral(capitals[1])
            self._put_back(text[capitals.end() :], line.indent)
        elif text.endswith((":", "：")) or _COHORT_TITLE.fullmatch(text):
            heading = bare(text)
            if text in (heading, f"{heading}:"):
                self._open_neutral(heading)
            else:
                self._put_back(f"{heading}:", line.indent)
        else:
            self._add(line, text, telling=telling)

    def _open_section(self, heading: str, side: Side) -> None:
        self.section, self.sided = side, self.sided or side != "unspecified"
        self.drafts.append(_Draft(heading, side))

    def _open_neutral(self, heading: str) -> None:
        """Open a group; one of the kind that stood before the sections begins a block of its own."""
        cohort = _COHORT.match(heading)
        kind = cohort[1].lower() if cohort else "capitals" if heading.isupper() else ""
        if kind and not self.sided:
            self.outer.add(kind)
        elif kind in self.outer or NEUTRAL_CRITERIA.fullmatch(heading):
            self.section = "unspecified"
        self.drafts.append(_Draft(heading, self._lead_in(heading) or self.section))

    def _lead_in(self, heading: str) -> Side | None:
        """Return the side that a line such as "Patients with the following are excluded" gives its list."""
        words = heading.count(" ") + 1
        if words <= _LEAD_WORDS and EXCLUDING_LEAD.search(heading):
            return "exclusion"
        most = _LEAD_WORDS_OUT if self.section == "exclusion" else _LEAD_WORDS
        return "inclusion" if words <= most and INCLUDING_LEAD.match(heading) else None

    def _add(self, line: Line, text: str, *, telling: bool) -> None:
        if not line.number and not any(map(str.isalnum, text)):
            return
        draft = self.drafts[-1]
        parts = _split_statements(text) if telling and draft.side == "unspecified" else [text]
        if len(parts) > 1:
            begun = Line(line.indent, True, line.number, parts[0])
            others = [
                found._replace(marked=True) for part in parts[1:] for found in read_items(part, line.indent)
            ]
            self.waiting += reversed([begun, *others])
        else:
            draft.entries.append(_Entry(line.indent, line.number, text, telling))


def _split_statements(text: str) -> list[str]:
    """Split text before and after the sentences that say who is excluded."""
    parts: list[tuple[bool, str]] = []
    for sentence in _SENTENCE.split(text):
        excludes = _says_excluded(sentence)
        if parts and parts[-1][0] == excludes:
            parts[-1] = (excludes, f"{parts[-1][1]} {sentence}")
        else:
            parts.append((excludes, sentence))
    return [part for _, part in parts]


def _says_excluded(sentence: str) -> bool:
    """Whether a sentence says, and not in brackets, that whom it describes is excluded."""
    place = find_exclusion(sentence)
    if place is None or sentence.count(" ") >= _STATEMENT_WORDS:
        return False
    before = sentence[:place]
    return before.count("(") <= before.count(")")


def is_exclusion(text: str, side: Side) -> bool:
    """Whether an item that no heading excludes is an exclusion by its own words.

    Under inclusion it must say so and nothing else.
    """
    if text.endswith(":") and text.count(" ") < _LEAD_WORDS and EXCLUDING_LEAD.search(text):
        return True
    place = find_exclusion(text)
    if place is None or not _says_excluded(_SENTENCE.split(text)[0]):
        return False
    return side == "unspecified" or (
        text[place:].count(" ") <= _TAIL_WORDS
        and not _SENTENCE.search(text)
        and not re.search(r"(?i);|\b(?:but|however)\b", text[:place])
    )


def _close(draft: _Draft) -> Group:
    """Return a group with the depth and side of each item; one that ends in a colon leads the deeper ones."""
    items: list[Item] = []
    leading: int | None = None
    for entry, level in zip(draft.entries, _levels(draft.entries), strict=True):
        if leading is not None and level <= leading:
            leading = None
        side = "exclusion" if leading is not None else draft.side
        if entry.telling and side != "exclusion" and is_exclusion(entry.text, side):
            side, leading = "exclusion", level if entry.text.endswith(":") else None
        items.append(Item(entry.text, side, level, entry.number))
    return Group(draft.heading, draft.side, tuple(items))


def _levels(entries: Sequence[_Entry]) -> list[int]:
    """Return the depth of each item: by its indentation, else by its way of numbering.

    A step is two columns at least: numbers that are aligned at their right differ by one.
    """
    steps: list[int] = []
    for indent in sorted({entry.indent for entry in entries}):
        if not steps or indent - steps[-1] >= 2:
            steps.append(indent)
    if len(steps) > 1:
        return [sum(step <= entry.indent for step in steps) - 1 for entry in entries]
    return _levels_by_number([entry.number for entry in entries])


def _levels_by_number(numbers: Sequence[str]) -> list[int]:
    """Return depths where nothing is indented: a) under 1., and what stands between 1. and 2."""
    if not any(numbers):
        return [0] * len(numbers)
    kinds = [number and ("digit" if any(map(str.isdigit, number)) else "letter") for number in numbers]
    order = list(dict.fromkeys(filter(None, kinds)))
    last = {kind: len(kinds) - 1 - kinds[::-1].index(kind) for kind in order}
    levels, above = [], ""
    for place, kind in enumerate(kinds):
        if kind:
            levels.append(order.index(kind))
            above = kind
        else:
            levels.append(order.index(above) + 1 if above and place < last[above] else 0)
    return levels
