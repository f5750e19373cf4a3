"""Prompts: templates of the package, filled with the plan's words and with fenced registry text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from trialforge.core.files import hash_text
from trialforge.llm.backend import Message
from trialforge.trial.checks.target import names_intervention
from trialforge.trial.label_words import LabelWording, label_line
from trialforge.trial.record import Row

PROMPT_FOLDER = Path(__file__).parent / "templates"
EXEMPLAR_FILE = "exemplar.jinja"
LabelPosition = Literal["head", "tail"]

# Openings of markup and of chat-template tokens of any model family. `<18 years` stays as it is.
_MARKUP = re.compile(r"<(?=\s*[A-Za-z/!?|\uff5c])")
_TOKEN_END = re.compile(r"(?<=[|\uff5c])>")
_BRACKET_TOKEN = re.compile(r"\[(?=/?[A-Z_]{3,20}\])")
_SPACES = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]+")


def neutralize(text: str) -> str:
    """Return registry text in which no markup, chat-template token or hidden character is left."""
    text = _SPACES.sub(" ", text)
    text = _TOKEN_END.sub("›", _MARKUP.sub("‹", text))
    return _BRACKET_TOKEN.sub("(", text)


def neutralize_record(value: Any) -> Any:
    """Return a record with every text in it neutralized."""
    if isinstance(value, str):
        return neutralize(value)
    if isinstance(value, Mapping):
        return {key: neutralize_record(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [neutralize_record(item) for item in value]
    return value


def target_line(intervention: str, conditions: Sequence[str], phase: str | None) -> str:
    """Return the lines that say what a trial is of."""
    given = given_fields(intervention, conditions, phase)
    return "\n".join(f"{name.capitalize()}: {text}" for name, text in given.items())


def given_fields(intervention: str, conditions: Sequence[str], phase: str | None) -> dict[str, str]:
    """Return what a trial is of as the first fields of its record, which the plan decides."""
    told = {"intervention": intervention, "condition": ", ".join(conditions[:3]), "phase": phase or ""}
    return {name: neutralize(text) for name, text in told.items() if text}


def exemplar_subject(trial: Row, intervention: str) -> tuple[str, list[str], str | None]:
    """Return what an exemplar is of, the target's intervention first; its registry id is never shown."""
    names = [item["name"] for item in trial["interventions"] or []]
    names.sort(key=lambda name: not names_intervention(name, intervention))
    return ", ".join(names[:3]), trial["conditions"] or [], trial["phase"]


def exemplar_values(trial: Row, record: str, wording: LabelWording) -> dict[str, str]:
    """Return what a template says of one exemplar."""
    return {"label": label_line(trial["label"], wording), "record": record}


def record_json(record: Mapping[str, Any]) -> str:
    """Return a record as neutralized JSON without spaces between its parts (a tenth of the tokens)."""
    return json.dumps(neutralize_record(record), ensure_ascii=False, separators=(",", ":"))


def render(name: str, **values: Any) -> tuple[Message, ...]:
    """Return the chat of template `name`: its blocks `system` and `user`.

    Raises:
        jinja2.UndefinedError: a value of the template is not given.
    """
    template = _template(PROMPT_FOLDER, name)
    context = template.new_context(values)
    system, user = ("".join(template.blocks[block](context)).strip() for block in ("system", "user"))
    return Message("system", system), Message("user", user)


def prompt_hash(*names: str) -> str:
    """Return the SHA-256 over the files that make up the prompts `names`."""
    return hash_text("\0".join((PROMPT_FOLDER / file).read_text("utf-8") for file in (*names, EXEMPLAR_FILE)))


@cache
def _template(folder: Path, name: str) -> Template:
    loader = FileSystemLoader(folder)
    # Prompts are no HTML: JSON must reach the model unescaped.
    environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=False)  # noqa: S701
    return environment.get_template(name)
