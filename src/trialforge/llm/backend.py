"""What every language model backend offers: the Protocol and the values that pass through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import Field

from trialforge.core.errors import GenerationError
from trialforge.core.params import Section
from trialforge.core.plain_text import is_text

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "garbled"]
MOST_TOKENS = 20  # whose probability one call can ask for: Ollama tells no more


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


class Sampling(Section):
    """How the next token is drawn, and how many may be drawn.

    `dry_multiplier` makes it unlikely that more than `dry_allowed_length` tokens repeat what stands in the
    prompt or in the answer so far (the DRY sampler of llama.cpp): each further token is made less likely by a
    factor that grows with the length of the repeat. 0 leaves it out; Ollama has no such sampler.
    """

    temperature: float = Field(default=0.8, ge=0, le=2)
    top_p: float = Field(default=0.95, gt=0, le=1)
    top_k: int = Field(default=40, ge=0)
    min_p: float = Field(default=0.05, ge=0, le=1)
    repeat_penalty: float = Field(default=1.0, ge=0.5, le=2)
    dry_multiplier: float = Field(default=0.0, ge=0, le=5)
    dry_allowed_length: int = Field(default=12, ge=1)
    max_tokens: int = Field(default=512, ge=1)


class TokenLogprob(NamedTuple):
    """A token that an answer may begin with, and the natural logarithm of its probability."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Request:
    """One call: `schema` forces the answer's JSON (None leaves it free); `attempt` counts from 0.

    With `top_tokens` no answer is written: the completion has the `first_tokens` that the model holds most
    likely, so many of them, with their probabilities before any sampling and any schema.
    """

    messages: tuple[Message, ...]
    schema: dict[str, Any] | None
    sampling: Sampling
    seed: int
    attempt: int = 0
    top_tokens: int = 0


def message_json(message: Message) -> dict[str, str]:
    """Return one turn of a chat as every server reads it."""
    return {"role": message.role, "content": message.content}


def check_room(counted: int, answer_tokens: int, context_tokens: int) -> None:
    """Refuse a prompt that leaves no room for its answer: engines would cut it silently."""
    room = context_tokens - answer_tokens
    if counted > room:
        raise GenerationError(
            f"a prompt has {counted} tokens, but `llm.context_tokens` {context_tokens} leaves room for {room}"
            f" next to an answer of up to {answer_tokens}",
            hint="raise llm.context_tokens, or show fewer or shorter exemplars",
        )


def ask_first_token(messages: Sequence[Message]) -> Request:
    """Return the call that asks which tokens an answer would begin with; nothing in it is drawn."""
    sampling = Sampling(temperature=0, max_tokens=1)
    return Request(tuple(messages), None, sampling, seed=0, top_tokens=MOST_TOKENS)


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. A finish reason of `length` means that it was cut: a failed attempt, never to be mended.

    So is `garbled`: what the model wrote could be no text (`core.plain_text`), and is left out.

    `cached_tokens` of the `prompt_tokens` came from the engine's prefix cache; `from_cache` says that the
    whole answer came from the call cache and cost nothing now.
    """

    text: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    model_digest: str
    finish_reason: FinishReason
    from_cache: bool = False
    first_tokens: tuple[TokenLogprob, ...] = ()


class TextGenerator(Protocol):
    """A language model that answers chats, many at a time."""

    @property
    def engine(self) -> str:
        """Name and version of the engine; part of every call's key."""

    @property
    def model(self) -> str:
        """The model's name as a person says it."""

    @property
    def model_digest(self) -> str:
        """SHA-256 that identifies the weights; part of every call's key."""

    @property
    def context_tokens(self) -> int:
        """Tokens that one prompt and its answer may fill together."""

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the number of tokens of the chat as the model sees it, template included."""

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """Yield each answer with the index of its request, as they finish.

        Requests that share the start of their prompt should follow each other. What the caller appends to
        `requests` between two answers is asked too.

        Raises:
            GenerationError: the engine can't answer, or a prompt doesn't fit the context.
        """

    def close(self) -> None:
        """Free the model; the generator can't be used afterwards."""


def read_first_tokens(told: Sequence[Any], engine: str) -> tuple[TokenLogprob, ...]:
    """Return the tokens that an engine tells of the start of an answer, the likeliest first.

    Args:
        told: what the API that OpenAI made common says of each token of an answer, empty if it is silent.
        engine: its name, for the error.

    Raises:
        GenerationError: the engine tells none.
    """
    first = told[0]["top_logprobs"] if told else ()
    tokens = [TokenLogprob(str(item["token"]), float(item["logprob"])) for item in first]
    # Half of a character is no text; it begins neither word that anybody asks about.
    tokens = [item for item in tokens if is_text(item.token)]
    if not tokens:
        raise GenerationError(
            f"{engine} does not return the probabilities of tokens",
            hint="use another version of the engine, or another llm.backend",
        )
    return tuple(sorted(tokens, key=lambda item: (-item.logprob, item.token)))


def too_slow(what: str, parameter: str = "call_seconds") -> GenerationError:
    """Return the error of an answer that passed a limit of time, the parameter `llm.{parameter}`."""
    hint = f"raise llm.{parameter}, lower llm.slots or max_tokens, or use a smaller model"
    return GenerationError(what, hint=hint)
