"""Small calls that tests share, and a generator that answers by rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from trialforge.llm.backend import Completion, Message, Request, Sampling

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "phase": {"enum": ["I", "II", "III"]},
        "title": {"type": "string", "minLength": 8, "maxLength": 30},
    },
    "required": ["phase", "title"],
    "additionalProperties": False,
}


def ask(
    text: str = "Describe a trial of aspirin.",
    seed: int = 1,
    schema: dict[str, Any] | None = SCHEMA,
    attempt: int = 0,
    **sampling: Any,
) -> Request:
    messages = (Message("system", "You write clinical trials."), Message("user", text))
    return Request(messages, schema, Sampling(**{"max_tokens": 40, **sampling}), seed, attempt)


class RuledGenerator:
    """Answers each request by its seed, last request first, and remembers what it was asked."""

    engine = "ruled 1"
    model = "ruled"
    model_digest = "d" * 64
    context_tokens = 100

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) for message in messages)

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        for index, request in reversed(list(enumerate(requests))):
            self.asked.append(request)
            yield index, answer(f"seed {request.seed}")

    def close(self) -> None:
        pass


def answer(text: str) -> Completion:
    return Completion(text, 10, 4, 3, "d" * 64, "stop")
