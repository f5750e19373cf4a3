"""Models behind any server that speaks OpenAI's API: vLLM, llama.cpp's, SGLang, LM Studio, TGI, Ollama.

The API has many dialects. What a server heeds, reads and holds is asked for before the first call; what it
can't do is an error that names the server.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from trialforge.core.errors import GenerationError
from trialforge.core.files import hash_json
from trialforge.llm.backend import Completion, Message, Request, Sampling, check_room, message_json
from trialforge.llm.hosts import HostGroup, agreed, replaced
from trialforge.llm.openai_host import (
    ADDRESS_VARIABLE,
    OpenAIHost,
    Reply,
    identify,
    read_addresses,
    told_context,
)
from trialforge.llm.params import LlmParams
from trialforge.llm.schemas import PROBE, check_probe, take_answer
from trialforge.llm.server_settings import OFF, TOKENS, heeds, needed_settings, sampling_fields

START = f"start the server, or set {ADDRESS_VARIABLE}"
DIFFER = f"let them serve the same model with the same engine, or remove some from {ADDRESS_VARIABLE}"
MORE_CONTEXT = "lower llm.context_tokens, or start the server with more context"
MOST_LETTERS = 10  # a token, on the average of a whole prompt; English has four or five
SPARE_TOKENS = 64  # of a chat's template


class OpenAIGenerator:
    """A TextGenerator over the servers that LLM_BASE_URL names, separated by commas.

    Raises:
        ParameterError: LLM_BASE_URL names no address, or a public one; or LLM_API_KEY can't be sent.
        GenerationError: no server answers, one refuses or lacks the model, two differ in it, or nothing tells
            which weights its name stands for.
    """

    def __init__(self, params: LlmParams, addresses: Sequence[str] | None = None) -> None:
        self._params = params
        self.model = params.model
        self.context_tokens = params.context_tokens
        hosts = [OpenAIHost(address, params) for address in addresses or read_addresses()]
        self._hosts = HostGroup(hosts, params, "LLM server", START)
        with ExitStack() as stack:
            stack.callback(self._hosts.close)
            self._hosts.keep_reachable(OpenAIHost.read_entry)
            self.model_digest = self._read_digest()
            self.engine = agreed(self._hosts.ask_each(self._greet), "engines", DIFFER)
            stack.pop_all()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the chat, as a server counts them: it has to read them."""
        body = chat_fields(self.model, messages) | {"temperature": 0, "max_tokens": 1}
        return self._hosts.ask_first(
            lambda host: self._count_prompt(host, messages, host.chat(body, threading.Event()))
        )

    def check_servers(self) -> None:
        """Ask each server for what no free model would say, and whether it has the context that is needed.

        A server that is busy now is asked before its first call.

        Raises:
            GenerationError: one lets the model write what it likes, or reads less.
        """
        self._hosts.ask_each(lambda host: self._prepare(host, None, threading.Event()))

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """Yield each answer with its request's index, as they finish.

        Raises:
            GenerationError: as every TextGenerator; or a server ignores a setting of a request.
        """
        if not requests:
            return
        self._check_same(self._read_digest(), self.model_digest)
        yield from self._hosts.answer_all(requests, self._ask)

    def close(self) -> None:
        """Close the connections; the models stay loaded."""
        self._hosts.close()

    def _ask(self, host: OpenAIHost, request: Request, stop: threading.Event) -> Completion:
        self._prepare(host, None if request.top_tokens else request.sampling, stop)
        return self._call(host, request, stop)

    def _call(self, host: OpenAIHost, request: Request, stop: threading.Event) -> Completion:
        reply = host.chat(request_fields(request, self.model, host.heeded, self.context_tokens), stop)
        counted = self._count_prompt(host, request.messages, reply, request.sampling.max_tokens)
        # A model or server that was replaced before or during the answer may have given it: it is not kept.
        entry = host.read_entry()
        self._check_same(name_engine(entry, reply), self.engine)
        self._check_same(self._hash(host, entry), self.model_digest)
        completion = Completion(
            text=reply.text,
            prompt_tokens=counted,
            cached_tokens=reply.cached_tokens,
            completion_tokens=reply.completion_tokens,
            model_digest=self.model_digest,
            finish_reason="stop" if reply.finish == "stop" else "length",
        )
        return take_answer(request, completion, reply.tokens, host.name)

    def _prepare(self, host: OpenAIHost, sampling: Sampling | None, stop: threading.Event) -> None:
        """Find out what has not been asked of a host before, and refuse one that lacks what is needed."""

        def say(question: str, **fields: Any) -> str | None:
            chat = chat_fields(self.model, [Message("user", question)])
            return host.say({**chat, "max_tokens": TOKENS, **fields}, stop)

        with host.asking:
            if not host.checked:
                check_probe(self._call(host, PROBE, stop).text, host.name)
                self._check_context(host, stop)
                host.checked = True
            needed = needed_settings(sampling) if sampling else {}
            for setting in needed:
                if setting not in host.heeded:
                    host.heeded[setting] = heeds(setting, say)
        if ignored := [setting for setting, must in needed.items() if must and not host.heeded[setting]]:
            raise not_heeded(host.name, ignored)

    def _check_context(self, host: OpenAIHost, stop: threading.Event) -> None:
        told = told_context(host.read_entry())
        if told is None:  # a word of one letter is one token
            words = self.context_tokens - SPARE_TOKENS
            chat = chat_fields(self.model, [Message("user", "a " * words)])
            read = host.chat({**chat, "temperature": 0, "max_tokens": 1}, stop).prompt_tokens
            if read is not None and read < words:
                raise GenerationError(
                    f"{host.name} cuts prompts: it read {read} tokens of a prompt of {words}",
                    hint=MORE_CONTEXT,
                )
        elif told < self.context_tokens:
            raise GenerationError(
                f"`llm.context_tokens` is {self.context_tokens}, but {host.name} has {told}",
                hint=MORE_CONTEXT,
            )

    def _count_prompt(
        self, host: OpenAIHost, messages: Sequence[Message], reply: Reply, answer_tokens: int = 1
    ) -> int:
        """Return how many tokens of a prompt a server read.

        Raises:
            GenerationError: it does not say, read a part only, or its context has no room for the answer.
        """
        tokens = reply.prompt_tokens
        if tokens is None:
            raise GenerationError(
                f"{host.name} does not say how many tokens of a prompt it read",
                hint="use a version that sends `usage` at the end of a stream",
            )
        letters = sum(len(message.content) for message in messages)
        if letters > MOST_LETTERS * tokens:
            raise GenerationError(
                f"{host.name} cut a prompt: it read {tokens} tokens of {letters} letters", hint=MORE_CONTEXT
            )
        check_room(tokens, answer_tokens, self.context_tokens)
        return tokens

    def _greet(self, host: OpenAIHost) -> str:
        chat = chat_fields(self.model, [Message("user", "Say hello.")])
        reply = host.chat({**chat, "temperature": 0, "max_tokens": 1}, threading.Event())
        return name_engine(host.read_entry(), reply)

    def _hash(self, host: OpenAIHost, entry: Mapping[str, Any]) -> str:
        return hash_json(identify(entry, self._params.revision, host.name))

    def _read_digest(self) -> str:
        digests = self._hosts.ask_each(lambda host: self._hash(host, host.read_entry()))
        return agreed(digests, f"models named {self.model}", DIFFER)

    def _check_same(self, now: str, before: str) -> None:
        if now != before:
            raise replaced(self.model, before[:40], now[:40])


def not_heeded(name: str, settings: Sequence[str]) -> GenerationError:
    """Return the error of a server that ignores or refuses settings."""
    off = [f"{setting}: {OFF[setting]}" for setting in settings if setting in OFF]
    can_do = len(off) == len(settings)
    return GenerationError(
        f"{name} ignores {', '.join(settings)}",
        hint=f"turn them off in `sampling`: {', '.join(off)}"
        if can_do
        else "use another server, or change how it is set up",
    )


def name_engine(entry: Mapping[str, Any], reply: Reply) -> str:
    """Return the engine's name and version, as far as the server tells them."""
    return " ".join(filter(None, ("OpenAI's API,", str(entry.get("owned_by") or ""), reply.fingerprint)))


def chat_fields(model: str, messages: Sequence[Message]) -> dict[str, Any]:
    """Return the fields that each chat has."""
    return {
        "model": model,
        "messages": [message_json(message) for message in messages],
        "chat_template_kwargs": {"enable_thinking": False},  # vLLM's, SGLang's and llama.cpp's way
    }


def request_fields(
    request: Request, model: str, heeded: Mapping[str, bool], context_tokens: int
) -> dict[str, Any]:
    """Return a call as a server reads it that heeds some settings."""
    fields = chat_fields(model, request.messages) | {"seed": request.seed}
    fields |= sampling_fields(request.sampling, heeded, context_tokens)
    if request.schema is not None:
        form = {"name": "answer", "strict": True, "schema": request.schema}
        fields["response_format"] = {"type": "json_schema", "json_schema": form}
    if request.top_tokens:
        fields |= {"logprobs": True, "top_logprobs": request.top_tokens}
    return fields
