"""Single texts of an answer that are at fault, copied or cut, and the question that mends these alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from trialforge.generation.prompts import record_json, render
from trialforge.generation.record import tidy_criterion
from trialforge.generation.schema import closed_object
from trialforge.llm.backend import Message
from trialforge.trial.checks.criteria import unfit_criteria
from trialforge.trial.checks.design import misdescribes
from trialforge.trial.checks.language import recites
from trialforge.trial.checks.spelling import find_misspelled
from trialforge.trial.copies import field_items, measure_spelled
from trialforge.trial.criteria_lists import SIDES
from trialforge.trial.criteria_repeats import find_repeats
from trialforge.trial.criterion_kinds import CriterionKinds
from trialforge.trial.draft_fields import PROSE_FIELDS
from trialforge.trial.record import REGISTRATION_SCHEMA, Row
from trialforge.trial.text import SENTENCE_END

PROMPT = "mend.jinja"
# A title, a keyword or the name of an endpoint has few words to say it in: it is written anew.
_MENDED = (*PROSE_FIELDS, *SIDES)
_WHOLE_END = re.compile(r"(?<=[a-z0-9)])[.!?](?= )")
_CLAUSE_END = re.compile(r"(?<=[\w)%])(?=[;,] )")
_PROSE_CLAUSE_END = re.compile(r"(?<=[\w)%])(?=; |, (?:and|but|while|so|which) )")
_NEXT_ITEM = re.compile(r"(?<=[\w)%])[;,.]? +\d{1,2}[:.)] +(?=[A-Z])")  # of a list that stands in one item
_LEAST_KEPT = 0.5  # of a criterion that ends at a clause, and of a list that items are dropped from
LEAST_UNMENDED = 0.6  # of such a list, while those that are dropped could still be mended
_MARK = re.compile(r"^(?:\(?\d{1,2}[.):]+|\(?[a-z][.)]|[*•·-])\s+")  # of an item of a list
_CUT_START = re.compile(r"[a-z]+(?![\w-]*[A-Z\d])\b")  # the rest of a word or sentence, and no mRNA-1273
_LETTERS = re.compile(r"[^\W\d_]+")
Path = tuple[str, ...]


def end_texts(texts: Row, schema: Row) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a part's texts, each that ran into its bound up to its last whole sentence, and those cut off.

    A criterion may end at a clause as well, and so may prose and descriptions without a whole sentence, at a
    semicolon or before "and", "but" and the like. A text without such an end stays as it is, among the cut.
    """
    ended: dict[str, Any] = {}
    cut: dict[str, Any] = {}
    for path, text in _leaves(texts):
        whole = _end_whole(text, _slot(schema, path), path) if isinstance(text, str) else text
        if whole is None:
            _put(cut, path, text)
        _put(ended, path, text if whole is None else whole)
    return ended, cut


def copied_texts(texts: Row, exemplars: Sequence[Row]) -> dict[str, Any]:
    """Return the part of an answer whose texts share an 8-gram with an exemplar, or are an item of one."""
    leaves = list(_leaves(_mended(texts)))
    items = pl.DataFrame(
        {"record": range(len(leaves)), "field": "text", "text": [text for _, text in leaves]},
        schema={"record": pl.UInt32, "field": pl.String, "text": pl.String},
    )
    shown = field_items(pl.DataFrame(exemplars, schema=REGISTRATION_SCHEMA))
    found = measure_spelled(items, shown)
    copied: dict[str, Any] = {}
    for place in found.filter(pl.col("shared") > 0)["record"]:
        _put(copied, *leaves[place])
    return copied


def right_spelling(texts: Row, record: Row, known: frozenset[str]) -> dict[str, Any]:
    """Return an answer in which words that misspell the record's interventions are spelled like these."""
    leaves = [(path, text) for path, text in _leaves(texts) if isinstance(text, str)]
    wrong = find_misspelled((text for _, text in leaves), record, known)
    if not wrong:
        return dict(texts)

    def spell(found: re.Match[str]) -> str:
        name = wrong.get(found[0].lower(), found[0])
        return name.capitalize() if found[0][0].isupper() and name != found[0] else name

    spelled = dict[str, Any]()
    for path, text in _leaves(texts):
        _put(spelled, path, _LETTERS.sub(spell, text) if isinstance(text, str) else text)
    return spelled


def left_in(texts: Row, faulty: Row) -> dict[str, Any]:
    """Return those of the faulty texts that an answer still has."""
    left = {
        name: {place: text for place, text in items.items() if place in texts[name]}
        if isinstance(items, Mapping)
        else items
        for name, items in faulty.items()
    }
    return {name: items for name, items in left.items() if items}


def without_spares(texts: Row, copied: Row, skeleton: Row) -> dict[str, Any]:
    """Return an answer with no more criteria than the skeleton has; copied ones go first, then the last."""
    kept = dict(texts)
    for name in SIDES:
        if name in texts:
            best = sorted(texts[name], key=lambda place: (place in copied.get(name, {}), int(place)))
            chosen = {*best[: len(skeleton[name])]}
            kept[name] = {place: text for place, text in texts[name].items() if place in chosen}
    return kept


def without_unfit(texts: Row, schema: Row, record: Row, kinds: CriterionKinds | None) -> dict[str, Any]:
    """Return an answer without the criteria and sentences that can't stand in the record made of it.

    A list or prose of which less than half would be left stays whole.
    """
    unfit = {_MARK.sub("", item) for item in unfit_criteria(record, kinds)}
    faulty = dict[str, Any]()
    for name in SIDES:
        for place, text in texts.get(name, {}).items():
            if _MARK.sub("", tidy_criterion(text)) in unfit:
                _put(faulty, (name, place), text)
    kept = without_items(texts, faulty, schema)
    for name in PROSE_FIELDS:
        if name in texts:
            kept[name] = _fit_prose(texts[name], record, len(schema["properties"][name]["properties"]))
    return kept


def _fit_prose(slots: Row, record: Row, asked: int) -> Row:
    """Return prose without the sentences that deny the design, recite it or begin where another was cut."""
    said = {place: SENTENCE_END.split(text) for place, text in slots.items()}
    fit = {
        place: [
            sentence
            for number, sentence in enumerate(sentences)
            if not (misdescribes(record, sentence) or recites(sentence))
            and not (place != "1" and number == 0 and _CUT_START.match(sentence))
        ]
        for place, sentences in said.items()
    }
    left, whole = (sum(map(len, counted.values())) for counted in (fit, said))
    kept = {place: " ".join(sentences) for place, sentences in fit.items() if sentences}
    enough = left >= _LEAST_KEPT * whole and len(kept) >= _LEAST_KEPT * asked
    return kept if enough and left < whole else slots


def repeated_texts(texts: Row) -> dict[str, Any]:
    """Return the criteria that nearly repeat an earlier one, if they are less than half of their list."""
    found: dict[str, Any] = {}
    for name in SIDES:
        items = list(texts.get(name, {}).items())
        repeats = find_repeats([text for _, text in items])
        if 0 < 2 * len(repeats) < len(items):
            found[name] = dict(items[place] for place in repeats)
    return found


def can_mend(texts: Row) -> bool:
    """Whether the faulty texts of an answer are such as can be shown to be mended."""
    return bool(texts) and _mended(texts) == texts


def mending_messages(texts: Row, fault: str) -> tuple[Message, ...]:
    """Return the chat that asks for texts in other words (`copied`) or in fewer (`cut`), by the same keys."""
    return render(PROMPT, texts=record_json(texts), fault=fault)


def schema_of(texts: Row, schema: Row) -> dict[str, Any]:
    """Return the part of an answer's schema that asks for `texts` alone."""
    slots = schema["properties"]
    return closed_object(
        {
            name: schema_of(value, slots[name]) if isinstance(value, Mapping) else slots[name]
            for name, value in texts.items()
        }
    )


def replaced_texts(texts: Row, mended: Row) -> dict[str, Any]:
    """Return an answer with its mended texts in place."""
    return {
        name: replaced_texts(value, mended[name])
        if isinstance(value, Mapping) and name in mended
        else mended.get(name, value)
        for name, value in texts.items()
    }


def without_items(texts: Row, faulty: Row, schema: Row, least: float = _LEAST_KEPT) -> dict[str, Any]:
    """Return an answer without its faulty sentences and criteria.

    A list of which less than this share of what the schema asks for would be left stays whole.
    """
    kept = dict(texts)
    for name, items in _mended(faulty).items():
        left = {place: text for place, text in texts[name].items() if place not in items}
        if left and len(left) >= least * len(schema["properties"][name]["properties"]):
            kept[name] = left
    return kept


def _mended(texts: Row) -> Row:
    return {name: value for name, value in texts.items() if name in _MENDED}


def _leaves(texts: Row, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, value in texts.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _slot(schema: Row, path: Path) -> Row:
    for name in path:
        schema = schema["properties"][name]
    return schema


def _end_whole(text: str, slot: Row, path: Path) -> str | None:
    """Return a text up to its last whole sentence or clause; None where it has none.

    One with room left ended where the model ended it.
    """
    if len(text) < slot.get("maxLength", len(text) + 1):
        return text
    criterion = path[0] in SIDES
    if criterion and (listed := _NEXT_ITEM.search(text)):
        return text[: listed.start()]
    ends = [found.end() for found in _WHOLE_END.finditer(text)]
    if criterion or (not ends and (path[0] in PROSE_FIELDS or path[-1] == "description")):
        clause_end = _CLAUSE_END if criterion else _PROSE_CLAUSE_END
        clauses = (found.end() for found in clause_end.finditer(text))
        ends += [end for end in clauses if end >= _LEAST_KEPT * len(text) and _is_closed(text[:end])]
    return text[: max(ends)] if ends else None


def _is_closed(text: str) -> bool:
    """Whether each bracket that opens in a text closes in it."""
    return all(text.count(left) == text.count(right) for left, right in ("()", "[]"))


def _put(texts: dict[str, Any], path: Path, text: Any) -> None:
    for name in path[:-1]:
        texts = texts.setdefault(name, {})
    texts[path[-1]] = text
