"""What an answer copied from its exemplars is asked for in other words; the rest of the answer stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from trialforge.generation.fields import PROSE_FIELDS
from trialforge.generation.parts import TITLES
from trialforge.generation.prompts import record_json, render
from trialforge.generation.schema import closed_object
from trialforge.llm.backend import Message
from trialforge.trial.copies import field_items, measure_items
from trialforge.trial.record import REGISTRATION_SCHEMA

PROMPT = "reword.jinja"
# Names of endpoints and arms are terms, and stay; so do time frames.
_REWORDED = (*TITLES, *PROSE_FIELDS, "inclusion", "exclusion")
Row = Mapping[str, Any]
Path = tuple[str, ...]


def copied_texts(texts: Row, exemplars: Sequence[Row]) -> dict[str, Any]:
    """Return the part of an answer whose texts share an 8-gram with an exemplar, or are an item of one."""
    leaves = list(_leaves({name: value for name, value in texts.items() if name in _REWORDED}))
    items = pl.DataFrame(
        {"record": range(len(leaves)), "field": "text", "text": [text for _, text in leaves]},
        schema={"record": pl.UInt32, "field": pl.String, "text": pl.String},
    )
    found = measure_items(items, field_items(pl.DataFrame(exemplars, schema=REGISTRATION_SCHEMA)))
    copied: dict[str, Any] = {}
    for place in found.filter(pl.col("shared") > 0)["record"]:
        _put(copied, *leaves[place])
    return copied


def reword_messages(copied: Row) -> tuple[Message, ...]:
    """Return the chat that asks for the same in other words, as JSON of the same keys."""
    return render(PROMPT, texts=record_json(copied))


def schema_of(texts: Row, schema: Row) -> dict[str, Any]:
    """Return the part of an answer's schema that asks for `texts` alone."""
    slots = schema["properties"]
    return closed_object(
        {
            name: schema_of(value, slots[name]) if isinstance(value, Mapping) else slots[name]
            for name, value in texts.items()
        }
    )


def replaced_texts(texts: Row, reworded: Row) -> dict[str, Any]:
    """Return an answer with its copied texts replaced."""
    return {
        name: replaced_texts(value, reworded[name])
        if isinstance(value, Mapping) and name in reworded
        else reworded.get(name, value)
        for name, value in texts.items()
    }


def _leaves(texts: Row, path: Path = ()) -> Iterator[tuple[Path, str]]:
    for name, value in texts.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _put(texts: dict[str, Any], path: Path, text: str) -> None:
    for name in path[:-1]:
        texts = texts.setdefault(name, {})
    texts[path[-1]] = text
