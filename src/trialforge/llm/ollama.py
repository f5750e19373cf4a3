"""Models behind Ollama, on one host or many, with the guards that its known faults need."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from trialforge.core.errors import GenerationError
from trialforge.core.ollama_client import HOST_VARIABLE, read_addresses
from trialforge.llm.backend import Completion, Message, Request, message_json
from trialforge.llm.hosts import HostGroup, agreed, replaced
from trialforge.llm.ollama_host import OllamaHost
from trialforge.llm.params import LlmParams
from trialforge.llm.schemas import PROBE, check_probe, take_answer

START = f"run `ollama serve`, or set {HOST_VARIABLE}"
UPDATE = f"update Ollama on each of them, or remove some from {HOST_VARIABLE}"


class OllamaGenerator:
    """A TextGenerator over the hosts that OLLAMA_HOST names, separated by commas.

    Raises:
        GenerationError: no host answers, one is too old or lacks the model, or two differ in either.
    """

    def __init__(self, params: LlmParams, addresses: Sequence[str] | None = None, pull: bool = False) -> None:
        self._params = params
        self.model = params.model
        self.context_tokens = params.context_tokens
        hosts = [OllamaHost(address, params) for address in addresses or read_addresses()]
        self._hosts = HostGroup(hosts, params, "Ollama host", START)
        with ExitStack() as stack:
            stack.callback(self._hosts.close)
            self._hosts.keep_reachable(OllamaHost.find_version)
            self._hosts.ask_each(OllamaHost.check_version)
            if pull:
                self._hosts.ask_each(lambda host: host.pull(params.model))
            versions = self._hosts.ask_each(lambda host: host.version)
            version = agreed(versions, "versions of Ollama", UPDATE)
            self.model_digest = self._read_digest()
            stack.pop_all()
        self.engine = f"ollama {version} (context {params.context_tokens})"

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the chat, as a host counts them: it has to evaluate them."""
        body = self._body(messages) | {"options": {"num_ctx": self.context_tokens, "num_predict": 1}}
        return self._hosts.ask_first(lambda host: read_prompt_count(host.chat(body, threading.Event())))

    def check_forcing(self) -> None:
        """Ask each host for what no free model would say.

        Raises:
            GenerationError: one lets the model write what it likes.
        """

        def probe(host: OllamaHost) -> None:
            answer = self._ask(host, PROBE, threading.Event())
            check_probe(answer.text, f"{self.engine} at {host.address}")

        self._hosts.ask_each(probe)

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """Yield each answer with its request's index, as they finish."""
        if not requests:
            return
        self._check_same_model(self._read_digest())
        yield from self._hosts.answer_all(requests, self._ask)

    def close(self) -> None:
        """Close the connections; the models stay loaded as long as `llm.keep_alive` says."""
        self._hosts.close()

    def _ask(self, host: OllamaHost, request: Request, stop: threading.Event) -> Completion:
        body = self._body(request.messages) | {"options": request_options(request, self.context_tokens)}
        if request.schema is not None:
            body["format"] = request.schema
        if request.top_tokens:
            body |= {"logprobs": True, "top_logprobs": request.top_tokens}
        reply = host.chat(body, stop)
        completion = self._read(reply)
        # A model that was replaced before or during the answer may have given it: it is not kept.
        self._check_same_model(host.read_digest(self.model))
        return take_answer(request, completion, reply["tokens"], self.engine)

    def _read(self, reply: dict[str, Any]) -> Completion:
        tokens = read_prompt_count(reply)
        if tokens >= self.context_tokens:
            raise GenerationError(
                f"a prompt was cut: it filled the whole context of {self.context_tokens} tokens",
                hint="raise llm.context_tokens, or show fewer or shorter exemplars",
            )
        return Completion(
            text=reply["text"],
            prompt_tokens=tokens,
            cached_tokens=0,  # Ollama does not say
            completion_tokens=reply.get("eval_count", 0),
            model_digest=self.model_digest,
            finish_reason="stop" if reply.get("done_reason") == "stop" else "length",
        )

    def _body(self, messages: Sequence[Message]) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": [message_json(message) for message in messages],
            "keep_alive": self._params.keep_alive,
            "truncate": False,
            "shift": False,
            "think": False,
            "stream": True,
        }

    def _read_digest(self) -> str:
        digests = self._hosts.ask_each(lambda host: host.read_digest(self.model))
        return agreed(
            digests, f"models named {self.model}", f"run `ollama pull {self.model}` on each of them"
        )

    def _check_same_model(self, digest: str) -> None:
        if digest != self.model_digest:
            raise replaced(self.model, self.model_digest[:12], digest[:12])


def request_options(request: Request, context_tokens: int) -> dict[str, Any]:
    """Return a call's `options`, the only place where Ollama heeds seed, temperature and context size."""
    sampling = request.sampling.model_dump()
    sampling["num_predict"] = sampling.pop("max_tokens")
    for unknown in ("dry_multiplier", "dry_allowed_length"):
        del sampling[unknown]
    return {**sampling, "seed": request.seed, "num_ctx": context_tokens}


def read_prompt_count(reply: dict[str, Any]) -> int:
    """Return how many tokens of the prompt were read.

    Raises:
        GenerationError: the reply does not say, so nobody could see that the prompt was cut.
    """
    tokens = reply.get("prompt_eval_count")
    if not isinstance(tokens, int):
        raise GenerationError(
            "Ollama does not say how many tokens of a prompt it read",
            hint="update Ollama: https://ollama.com/download",
        )
    return tokens
