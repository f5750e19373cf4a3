"""What a JSON schema may use so that an engine's grammar truly forces it, and a test that it does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from trialforge.core.errors import GenerationError
from trialforge.core.secrets import shorten
from trialforge.llm.backend import Completion, Message, Request, Sampling, TextGenerator, read_first_tokens

ALLOWED_KEYWORDS = frozenset(
    {
        "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf",
        "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum",
    }
)  # fmt: skip
ALLOWED_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
UNSAID = "zq7-vx"  # no model says it unforced
PROBE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"word": {"enum": [UNSAID]}, "more": {"type": "string", "maxLength": 3}},
    "required": ["word", "more"],
    "additionalProperties": False,
}
PROBE = Request(
    (Message("user", "Say hello in one short sentence."),),
    PROBE_SCHEMA,
    Sampling(temperature=0, max_tokens=48),
    seed=1,
)


def check_schema(schema: Any, place: str = "schema") -> None:
    """Refuse what engines are known to skip silently: regular expressions, formats, unknown keywords."""
    if not isinstance(schema, dict):
        raise GenerationError(f"{place}: a schema must be a mapping, got {schema!r}")
    unknown = sorted(schema.keys() - ALLOWED_KEYWORDS)
    if unknown:
        allowed = ", ".join(sorted(ALLOWED_KEYWORDS))
        raise GenerationError(f"{place}: not every engine enforces {', '.join(unknown)}; allowed: {allowed}")
    if not schema.keys() & {"enum", "const", "anyOf"} and schema.get("type") not in ALLOWED_TYPES:
        raise GenerationError(
            f"{place}: type {schema.get('type')!r}; allowed: {', '.join(sorted(ALLOWED_TYPES))}"
        )
    for name, part in schema.get("properties", {}).items():
        check_schema(part, f"{place}.{name}")
    for number, part in enumerate(schema.get("anyOf", ())):
        check_schema(part, f"{place}|{number}")
    if "items" in schema:
        check_schema(schema["items"], f"{place}[]")


def check_schemas(requests: Iterable[Request]) -> None:
    """Refuse calls whose schema no engine is sure to force, see `check_schema`."""
    for request in requests:
        if request.schema is not None:
            check_schema(request.schema)


def check_forcing(generator: TextGenerator) -> None:
    """Ask for what no free model would say; an engine whose grammar is broken lets the model go on freely.

    Raises:
        GenerationError: the answer is not the one that the schema forces.
    """
    ((_, completion),) = generator.complete([PROBE])
    check_probe(completion.text, generator.engine)


def check_probe(text: str, engine: str) -> None:
    """Refuse an answer to PROBE that is not the one that its schema forces."""
    try:
        forced = json.loads(text)["word"] == UNSAID
    except (ValueError, KeyError, TypeError):
        forced = False
    if not forced:
        raise not_forced(engine, text)


def check_forced(request: Request, text: str, engine: str) -> None:
    """Refuse an answer that can't have been forced: a schema that engines can't read is skipped."""
    if request.schema is not None and text.lstrip()[:1] not in '{["-0123456789tfn':
        raise not_forced(engine, text)


def take_answer(request: Request, completion: Completion, told: Sequence[Any], engine: str) -> Completion:
    """Return an engine's answer as the request asked for it: its first tokens, or its text if it was forced.

    Args:
        request: the call.
        completion: the answer.
        told: what the engine told of its tokens, see `read_first_tokens`.
        engine: its name, for errors.

    Raises:
        GenerationError: the engine tells no probabilities, or skipped the schema.
    """
    if request.top_tokens:
        tokens = read_first_tokens(told, engine)
        return replace(completion, text="", finish_reason="stop", first_tokens=tokens)
    check_forced(request, completion.text, engine)
    return completion


def not_forced(engine: str, text: str) -> GenerationError:
    """Return the error for an engine that lets the model write what it likes."""
    return GenerationError(
        f"{engine} does not enforce the JSON schema: it answered {shorten(text, 80)!r}",
        hint="use another version of the engine, or another llm.backend",
    )
