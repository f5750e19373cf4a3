from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.llm.asking import SCHEMA, ask
from trialforge.core.errors import GenerationError
from trialforge.llm.backend import Completion, Message, Request
from trialforge.llm.embedded import EmbeddedGenerator
from trialforge.llm.schemas import check_forced, check_forcing, check_schema


class FreeGenerator:
    """The real engine as it is when its grammar is broken: the schema is lost without a word."""

    def __init__(self, inner: EmbeddedGenerator) -> None:
        self.engine, self.model = inner.engine, inner.model
        self.model_digest, self.context_tokens = inner.model_digest, inner.context_tokens
        self._inner = inner

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._inner.count_tokens(messages)

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        return self._inner.complete([replace(request, schema=None) for request in requests])

    def close(self) -> None:
        pass


def test_engine_passes_the_test_of_forcing(engine: EmbeddedGenerator) -> None:
    check_forcing(engine)


def test_engine_without_its_grammar_fails_the_test_of_forcing(engine: EmbeddedGenerator) -> None:
    with pytest.raises(GenerationError, match="does not enforce the JSON schema"):
        check_forcing(FreeGenerator(engine))


def test_answer_that_is_no_json_at_all_was_not_forced() -> None:
    with pytest.raises(GenerationError, match="it answered 'Hello!'"):
        check_forced(ask(), "Hello!", "engine")
    check_forced(ask(schema=None), "Hello!", "engine")
    check_forced(ask(), '{"phase":"I"', "engine")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"title": {"type": "string", "pattern": "^a"}},
            r"schema\.title: not every engine enforces pattern",
        ),
        ({"list": {"type": "array", "items": {"format": "date"}}}, r"schema\.list\[\]: .* enforces format"),
        ({"list": {"type": "array", "uniqueItems": True}}, "enforces uniqueItems"),
        ({"either": {"anyOf": [{"type": "text"}]}}, r"schema\.either\|0: type 'text'"),
        ({"any": True}, r"schema\.any: a schema must be a mapping"),
    ],
)
def test_schema_that_an_engine_might_skip_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GenerationError, match=message):
        check_schema({**SCHEMA, "properties": change})
