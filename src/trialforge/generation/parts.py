"""The parts in which a record is written, as a registrant works: what each asks for, and what it shows.

A skeleton says how many texts a part has and how long each is. Texts of a list stand under numbers in the
answer ("1", "2"), so that a small model neither stops early nor goes on for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from trialforge.generation.exemplars import count_at_most
from trialforge.generation.prompts import neutralize
from trialforge.generation.schema import closed_object
from trialforge.trial.criteria_lists import split_criteria

if TYPE_CHECKING:
    import numpy as np

PartName = Literal["header", "design", "inclusion", "exclusion"]
FIELDS_OF_PART: dict[PartName, tuple[str, ...]] = {
    "header": ("title", "official_title", "summary", "detailed_description", "keywords"),
    "design": ("interventions", "arms", "primary_outcomes", "secondary_outcomes"),
    "inclusion": ("inclusion",),
    "exclusion": ("exclusion",),
}
PARTS: tuple[PartName, ...] = tuple(FIELDS_OF_PART)
WRITTEN_FIELDS = tuple(field for fields in FIELDS_OF_PART.values() for field in fields)
PROSE_FIELDS = ("summary", "detailed_description")  # texts of several sentences
ENDPOINT_FIELDS = ("primary_outcomes", "secondary_outcomes")
SENTENCE_WORDS = 22  # registry prose has about so many words a sentence
KEYWORD_WORDS = 2
# A time frame of few words is a number and a unit; a longer one is prose.
UNIT_WORDS, UNITS, MOST_UNITS = 3, ("hours", "days", "weeks", "months", "years"), 400
# Characters a word: a text has at least and at most so many. Registry English has 6.7, with the space.
LEAST, MOST, SLACK = 3.5, 9.0, 24
_HEADS = {
    "title": "Title", "official_title": "Official title", "summary": "Summary",
    "detailed_description": "Detailed description", "keywords": "Keywords",
    "interventions": "Interventions", "arms": "Arms", "primary_outcomes": "Primary outcomes",
    "secondary_outcomes": "Secondary outcomes", "inclusion": "Inclusion criteria",
    "exclusion": "Exclusion criteria",
}  # fmt: skip
Row = Mapping[str, Any]


def part_schema(part: PartName, skeleton: Row, fields: Sequence[str]) -> dict[str, Any] | None:
    """Return the JSON schema of a part's answer; None where the skeleton has nothing to write in it."""
    slots = {name: _slots(name, skeleton) for name in FIELDS_OF_PART[part] if name in fields}
    filled = {name: slot for name, slot in slots.items() if slot is not None}
    return closed_object(filled) if filled else None


def _slots(name: str, skeleton: Row) -> dict[str, Any] | None:
    shape = skeleton[name]
    if not shape:
        return None
    if name in ("title", "official_title"):
        return text_schema(shape)
    if name in PROSE_FIELDS:
        return _numbered([text_schema(words) for words in sentence_words(shape)])
    if name == "keywords":
        return _numbered([text_schema(KEYWORD_WORDS)] * shape)
    if name in ("inclusion", "exclusion"):
        return _numbered([text_schema(words) for words in shape])
    return _numbered([_item_slots(item) for item in shape])


def _item_slots(item: Row) -> dict[str, Any] | None:
    """The texts of an arm, an intervention or an endpoint; None where it has none."""
    parts = {
        name: time_schema(item[name]) if name == "time_frame" else text_schema(item[name])
        for name in ("label", "measure", "time_frame", "description")
        if isinstance(item.get(name), int)
    }
    return closed_object(parts) if parts else None


def _numbered(slots: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    numbered = {str(place): slot for place, slot in enumerate(slots, start=1) if slot is not None}
    return closed_object(numbered) if numbered else None


def text_schema(words: int) -> dict[str, Any]:
    """Return the JSON schema of a text of about so many words."""
    return {"type": "string", "minLength": max(2, int(LEAST * words)), "maxLength": most_characters(words)}


def most_characters(words: int) -> int:
    """Return the length at which a text of so many words counts as cut."""
    return int(MOST * words) + SLACK


def time_schema(words: int) -> dict[str, Any]:
    """Return the JSON schema of a time frame."""
    if words > UNIT_WORDS:
        return text_schema(words)
    number = {"type": "integer", "minimum": 1, "maximum": MOST_UNITS}
    return closed_object({"number": number, "unit": {"type": "string", "enum": list(UNITS)}})


def sentence_words(words: int) -> list[int]:
    """Return the words of each sentence of a text of so many words, as evenly as counts allow."""
    count = max(1, round(words / SENTENCE_WORDS))
    return [words // count + (place < words % count) for place in range(count)]


def ask_for(part: PartName, skeleton: Row, fields: Sequence[str]) -> str:
    """Return what a part is asked for in words, one line a field."""
    told = {name: _ask_for_field(name, skeleton[name]) for name in FIELDS_OF_PART[part]}
    lines = [f"{_HEADS[name]}: {text}" for name, text in told.items() if text and name in fields]
    return "\n".join(lines)


def _ask_for_field(name: str, shape: Any) -> str | None:
    if not shape:
        return None
    if name in ("title", "official_title"):
        return f"about {shape} words"
    if name in PROSE_FIELDS:
        count = len(sentence_words(shape))
        return f"{count} {'sentence' if count == 1 else 'sentences'}, about {shape} words in all"
    if name == "keywords":
        return f"{shape}"
    if name in ("inclusion", "exclusion"):
        who = "who may take part" if name == "inclusion" else "who may not take part"
        return f"{len(shape)}, each of {min(shape)} to {max(shape)} words, no two of the same thing: {who}"
    if name in ENDPOINT_FIELDS:
        return f"{len(shape)}: what is measured, and when"
    return f"{len(shape)}, as named above"


def show_part(
    part: PartName, trial: Row, fields: Sequence[str], tokens: int, stream: np.random.Generator
) -> str:
    """Return a part of a registered trial as neutralized text of at most so many tokens.

    Where the whole has no room, lines are left out at random: never always the last ones.
    """
    lines = [neutralize(line) for line in _lines(part, trial, fields)]
    sizes = [count_at_most(line) + 1 for line in lines]
    kept, room = [], tokens
    for place in stream.permutation(len(lines)):
        if sizes[place] <= room:
            kept.append(int(place))
            room -= sizes[place]
    return "\n".join(lines[place] for place in sorted(kept))


def _lines(part: PartName, trial: Row, fields: Sequence[str]) -> list[str]:
    lists = dict(zip(("inclusion", "exclusion"), split_criteria(trial["criteria"]), strict=True))
    lines: list[str] = []
    for name in FIELDS_OF_PART[part]:
        value: Any = lists[name] if name in lists else trial[name]
        if not value or name not in fields:
            continue
        if isinstance(value, str):
            lines.append(f"{_HEADS[name]}: {value}")
        elif name == "keywords":
            lines.append(f"{_HEADS[name]}: {'; '.join(value)}")
        elif name in lists:
            lines += [f"- {item}" for item in value]
        else:
            lines += [f"{_HEADS[name][:-1]}: {_line_of(item)}" for item in value]
    return lines


def _line_of(item: Row) -> str:
    """An arm, an intervention or an endpoint on one line."""
    head = [item[name] for name in ("type", "label", "name", "measure") if item.get(name)]
    given = item.get("interventions") or []
    frame = item.get("time_frame")
    tail = [f"({', '.join(given)})" if given else "", f"[{frame}]" if frame else ""]
    told = f"- {item['description']}" if item.get("description") else ""
    return " ".join(filter(None, [": ".join(head), *tail, told]))


def tell_skeleton(skeleton: Row) -> str:
    """Return what the skeleton has decided, as lines of a prompt."""
    arms = [
        f"{place}. {arm['type'] or 'Arm'}: {', '.join(arm['interventions']) or 'nothing'}"
        for place, arm in enumerate(skeleton["arms"], start=1)
    ]
    given = [f"{place}. {one['name']}" for place, one in enumerate(skeleton["interventions"], start=1)]
    low, high = (skeleton[name] for name in ("minimum_age", "maximum_age"))
    volunteers = skeleton["healthy_volunteers"]
    design = [skeleton["allocation"], skeleton["intervention_model"], _masking(skeleton["masking"])]
    told = {
        "Interventions": "; ".join(given),
        "Arms": "; ".join(arms),
        "Design": ", ".join(filter(None, design)),
        "Purpose": skeleton["primary_purpose"],
        "Enrolment": skeleton["enrolment_planned"],
        "Ages": f"{_years(low, 'any')} to {_years(high, 'any')}" if low or high else None,
        "Sex": skeleton["sex"],
        "Healthy volunteers": None if volunteers is None else ("Yes" if volunteers else "No"),
        "Sponsor": skeleton["sponsor_class"],
    }
    return "\n".join(f"{head}: {neutralize(str(value))}" for head, value in told.items() if value)


def _masking(masking: str | None) -> str | None:
    return None if masking is None else ("open label" if masking == "None" else f"{masking} blind")


def _years(age: float | None, none: str) -> str:
    return none if age is None else f"{age:g}"


def tell_record(record: Row) -> str:
    """Return the prose of a record so far, as lines of a prompt."""
    before: tuple[PartName, ...] = ("header", "design")
    lines = [line for part in before for line in _lines(part, record, WRITTEN_FIELDS)]
    criteria = split_criteria(record["criteria"])
    lines += [f"Inclusion: {item}" for item in criteria[0]]
    return "\n".join(lines)
