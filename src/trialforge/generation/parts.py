"""The parts in which a record is written, as a registrant works: what each asks for, and what it shows.

A skeleton says how many texts a part has and how long each is. Texts of a list stand under numbers in the
answer ("1", "2"), so that a small model neither stops early nor goes on for ever.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trialforge.generation.exemplars import count_at_most
from trialforge.generation.prompts import neutralize, record_json
from trialforge.generation.schema import closed_object
from trialforge.trial.criteria_lists import SIDES, split_criteria
from trialforge.trial.draft_fields import FIELDS_OF_PART, PROSE_FIELDS, TITLES, PartName, with_spares
from trialforge.trial.record import Row
from trialforge.trial.text import SENTENCE_END

if TYPE_CHECKING:
    import numpy as np

SENTENCE_WORDS = 22  # registry prose has about so many words a sentence
KEYWORD_WORDS = 2
# A time frame of few words is a number and a unit; a longer one is prose.
UNIT_WORDS, UNITS, MOST_UNITS = 3, ("hours", "days", "weeks", "months", "years"), 400
# The parts of an exemplar that the prompt for a part shows. Both for criteria show the same: an engine that
# keeps what it has read reads it once.
SHOWN: dict[PartName, tuple[PartName, ...]] = {
    "header": ("header",),
    "design": ("design",),
    "inclusion": ("inclusion", "exclusion"),
    "exclusion": ("inclusion", "exclusion"),
}
# Characters a word: a text has at least and at most so many. Registry English has 6.7, with the space.
LEAST, MOST, SLACK = 3.5, 12.0, 48
# A title or a criterion may be as long as most registered ones: a model writes as long as its exemplars.
MOST_LINE = 240
_HEADS = {
    "title": "Title", "official_title": "Official title", "summary": "Summary",
    "detailed_description": "Detailed description", "keywords": "Keywords",
    "interventions": "Interventions", "arms": "Arms", "primary_outcomes": "Primary outcomes",
    "secondary_outcomes": "Secondary outcomes", "inclusion": "Inclusion criteria",
    "exclusion": "Exclusion criteria",
}  # fmt: skip
_FRAME = re.compile(rf"(?i)(\d{{1,3}}) ({'|'.join(unit.removesuffix('s') + 's?' for unit in UNITS)})")


def part_schema(part: PartName, skeleton: Row, fields: Sequence[str]) -> dict[str, Any] | None:
    """Return the JSON schema of a part's answer; None where the skeleton has nothing to write in it."""
    slots = {name: _slots(name, skeleton) for name in FIELDS_OF_PART[part] if name in fields}
    filled = {name: slot for name, slot in slots.items() if slot is not None}
    return closed_object(filled) if filled else None


def _slots(name: str, skeleton: Row) -> dict[str, Any] | None:
    shape = skeleton[name]
    if not shape:
        return None
    if name in TITLES:
        return _line_schema(shape)
    if name in PROSE_FIELDS:
        return _numbered([text_schema(words) for words in sentence_words(shape)])
    if name == "keywords":
        return _numbered([text_schema(KEYWORD_WORDS)] * shape)
    if name in SIDES:
        return _numbered([_line_schema(words) for words in with_spares(shape)])
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


def _line_schema(words: int) -> dict[str, Any]:
    schema = text_schema(words)
    return schema | {"maxLength": max(MOST_LINE, schema["maxLength"])}


def count_words(schema: Row) -> float:
    """Return about how many words the texts of a part's schema have; a number or a unit counts as one."""
    if "properties" in schema:
        return sum(count_words(slot) for slot in schema["properties"].values())
    return max(1.0, int(schema.get("minLength", 0)) / LEAST)


def count_missing(texts: Row, skeleton: Row) -> int:
    """Return how many sentences and criteria the skeleton has more than the texts."""
    asked = {name: len(sentence_words(skeleton[name])) for name in PROSE_FIELDS if texts.get(name)}
    asked |= {name: len(skeleton[name]) for name in SIDES if texts.get(name)}
    return sum(max(0, count - len(texts[name])) for name, count in asked.items())


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
    """Return what a part is asked for in words. A small model repeats a number of words that it is told."""
    names = [_HEADS[name].lower() for name in FIELDS_OF_PART[part] if skeleton[name] and name in fields]
    return ", ".join(names)


def show_parts(
    parts: Sequence[PartName], trial: Row, fields: Sequence[str], tokens: int, stream: np.random.Generator
) -> str:
    """Return parts of a registered trial in the shape of an answer, as neutralized JSON of so many tokens.

    Where the whole has no room, texts are left out at random: never always the last ones. Empty where the
    trial has none, or none of them fits.
    """
    views = [view_part(part, trial, fields) for part in parts]
    leaves = [(name, text) for view in views for name, texts in view.items() for text in texts]
    sizes = [count_at_most(record_json({name: text}) + " " * 9) for name, text in leaves]
    kept, room = [], tokens
    for place in stream.permutation(len(leaves)):
        if sizes[place] <= room:
            kept.append(int(place))
            room -= sizes[place]
    shown: dict[str, Any] = {}
    for name, text in (leaves[place] for place in sorted(kept)):
        if name in TITLES:
            shown[name] = text
        else:
            texts = shown.setdefault(name, {})
            texts[str(len(texts) + 1)] = text
    return record_json(shown) if shown else ""


def view_part(part: PartName, trial: Row, fields: Sequence[str]) -> dict[str, list[Any]]:
    """Return the texts of a part by field: sentences, criteria, or items with their parts."""
    lists = dict(zip(SIDES, split_criteria(trial["criteria"]), strict=True))
    view: dict[str, list[Any]] = {}
    for name in FIELDS_OF_PART[part]:
        value: Any = lists[name] if name in lists else trial[name]
        if not value or name not in fields:
            continue
        if isinstance(value, str):
            view[name] = SENTENCE_END.split(value) if name in PROSE_FIELDS else [value]
        elif name in ("keywords", *lists):
            view[name] = list(value)
        else:
            items = [_view_item(item) for item in value]
            view[name] = [item for item in items if item]
    return view


def _view_item(item: Row) -> dict[str, Any]:
    """The texts of an arm, an intervention or an endpoint, as an answer has them."""
    frame = _FRAME.fullmatch(item.get("time_frame") or "")
    told = {name: item.get(name) for name in ("label", "measure", "time_frame", "description")}
    if frame:
        told["time_frame"] = {"number": int(frame[1]), "unit": f"{frame[2].lower().removesuffix('s')}s"}
    return {name: value for name, value in told.items() if value}


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
        "Ages": _ages(low, high),
        "Sex": skeleton["sex"],
        "Healthy volunteers": None if volunteers is None else ("Yes" if volunteers else "No"),
        "Sponsor": skeleton["sponsor_class"],
    }
    return "\n".join(f"{head}: {neutralize(str(value))}" for head, value in told.items() if value)


def _masking(masking: str | None) -> str | None:
    return None if masking is None else ("open label" if masking == "None" else f"{masking} blind")


def _ages(low: float | None, high: float | None) -> str | None:
    if low and high:
        return f"{low:g} to {high:g} years"
    return f"{low:g} years and older" if low else f"up to {high:g} years" if high else None


def tell_record(record: Row, tokens: int) -> str:
    """Return what later parts of a record must fit: its title, arms, endpoints and summary.

    It takes at most so many tokens: the last texts are left out. Inclusion criteria are not told: a small
    model writes them again as exclusion criteria.
    """
    parts: tuple[PartName, ...] = ("header", "design")
    told = ("title", "arms", "primary_outcomes", "summary")
    views = {name: texts for part in parts for name, texts in view_part(part, record, told).items()}
    kept: dict[str, list[Any]] = {}
    for name, text in ((field, text) for field in told for text in views.get(field, ())):
        tokens -= count_at_most(record_json({name: text}))
        if tokens < 0:
            break
        kept.setdefault(name, []).append(text)
    return record_json(kept) if kept else ""
