"""What a reason may quote: lines of registered trials, each as it stands in one field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trialforge.core.rng import random_stream
from trialforge.generation.prompts import neutralize
from trialforge.trial.criteria_lists import split_criteria
from trialforge.trial.record import Row
from trialforge.trial.text import plain_text

# Fields whose words tell one trial from another. A number or "Double" stands in too many to support anything.
QUOTED_FIELDS = ("criteria", "primary_outcomes", "arms", "summary")
MOST_LINES = 6  # of one field that a prompt shows
LONGEST = 160  # characters of a line; a longer one is quoted up to a word
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_RATIONALE = re.compile(r"\b(?:RATIONALE|PURPOSE):\s*")
_LEAST_WORDS = 2
Lines = dict[str, list[str]]  # of one trial, by field


def quotable_lines(trial: Row, field: str) -> list[str]:
    """Return the lines of a field that can be quoted, each word for word, in their order."""
    told = plain_text(value_text(trial[field]))
    lines = (_cut(neutralize(" ".join(line.split()))) for line in _split(trial, field))
    whole = [line for line in lines if line.count(" ") + 1 >= _LEAST_WORDS and plain_text(line) in told]
    return list(dict.fromkeys(whole))


def choose_lines(trials: Sequence[Row], most: int, seed: int) -> list[Lines]:
    """Return at most so many lines of each field of each trial, drawn by the seed, in their order."""
    return [
        {
            field: drawn
            for field in QUOTED_FIELDS
            if (drawn := _draw(quotable_lines(trial, field), most, seed, trial["nct_id"], field))
        }
        for trial in trials
    ]


def _draw(lines: list[str], most: int, *stream: Any) -> list[str]:
    if len(lines) <= most:
        return lines
    seed, *names = stream
    kept = random_stream(seed, "lines", *names).choice(len(lines), most, replace=False)
    return [lines[place] for place in sorted(kept)]


def _split(trial: Row, field: str) -> Iterator[str]:
    value = trial[field] or []
    if field == "criteria":
        for items in split_criteria(trial["criteria"]):
            yield from items
    elif field == "summary":
        yield from _SENTENCE_END.split(_RATIONALE.sub("", trial["summary"] or ""))
    elif field == "arms":
        for arm in value:
            yield arm["label"] or ""
            yield from _SENTENCE_END.split(arm["description"] or "")
    else:
        for endpoint in value:
            frame = f" ({endpoint['time_frame']})" if endpoint["time_frame"] else ""
            yield f"{endpoint['measure'] or ''}{frame}"


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else line[: LONGEST + 1].rsplit(" ", 1)[0].rstrip(" ,;:(-")


def value_text(value: Any) -> str:
    """Return what a field says as one text, without the names of its parts."""
    return " ".join(_values(value))


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _values(part)
    elif value is not None:
        yield str(value)
