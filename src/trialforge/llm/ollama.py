"""Models behind Ollama, on one host or many, with the guards that its known faults need."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from trialforge.core.errors import GenerationError
from trialforge.core.ollama_client import HOST_VARIABLE, read_addresses
from trialforge.llm.backend import Completion, Message, Request, read_first_tokens
from trialforge.llm.ollama_host import HostDown, OllamaHost
from trialforge.llm.params import LlmParams
from trialforge.llm.pool import answer_all
from trialforge.llm.schemas import PROBE, check_forced, check_probe, check_schema


class OllamaGenerator:
    """A TextGenerator over the hosts that OLLAMA_HOST names, separated by commas.

    Each host has `llm.slots` calls in flight, and fewer while it is busy; a host that is busy, that dies, or
    whose model dies, gives its calls to the others.

    Raises:
        GenerationError: no host answers, one is too old or lacks the model, or two differ in either.
    """

    def __init__(self, params: LlmParams, addresses: Sequence[str] | None = None, pull: bool = False) -> None:
        self._params = params
        self.model = params.model
        self.context_tokens = params.context_tokens
        with ExitStack() as stack:
            found = [OllamaHost(address, params) for address in addresses or read_addresses()]
            for host in found:
                stack.callback(host.close)
            self._hosts = keep_reachable(found)
            for host in self._hosts:
                host.check_version()
                if pull:
                    host.pull(params.model)
            version = common_version(self._hosts)
            self.model_digest = self._read_digest()
            self._held = [""] * (params.slots * len(self._hosts))
            stack.pop_all()
        self.engine = f"ollama {version} (context {params.context_tokens})"

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the chat, as a host counts them: it has to evaluate them.

        Raises:
            GenerationError: they are more than the context has.
        """
        body = self._body(messages) | {"options": {"num_ctx": self.context_tokens, "num_predict": 1}}
        for host in self._hosts:
            with suppress(HostDown):
                return read_prompt_count(host.chat(body, threading.Event()))
        raise no_host_left(self._hosts)

    def check_forcing(self) -> None:
        """Ask each host for what no free model would say.

        Raises:
            GenerationError: one lets the model write what it likes.
        """
        for host in self._hosts:
            with suppress(HostDown):
                answer = self._ask(host, PROBE, threading.Event())
                check_probe(answer.text, f"{self.engine} at {host.address}")

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """Yield each answer with its request's index, as they finish."""
        if not requests:
            return
        for request in requests:
            if request.schema is not None:
                check_schema(request.schema)
        self._check_same_model(self._read_digest())
        workers = [partial(self._answer, place) for place in range(len(self._held))]
        with closing(answer_all(requests, workers, self._held)) as answers:
            yield from answers

    def close(self) -> None:
        """Close the connections; the models stay loaded as long as `llm.keep_alive` says."""
        for host in self._hosts:
            host.close()

    def _answer(self, place: int, request: Request, stop: threading.Event) -> Completion:
        give_up = time.monotonic() + self._params.call_seconds
        for pause in itertools.chain((0.5, 1, 2), itertools.repeat(4)):
            for host in turn_hosts(self._hosts, place):
                with suppress(HostDown), host.slots.take():
                    if host.alive:
                        return self._ask(host, request, stop)
            if not any(host.alive for host in self._hosts):
                raise no_host_left(self._hosts)
            if stop.wait(pause) or time.monotonic() > give_up:
                break
        raise all_busy(self._hosts, self._params.call_seconds)

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
        if request.top_tokens:
            tokens = read_first_tokens(reply["tokens"], self.engine)
            return replace(completion, text="", finish_reason="stop", first_tokens=tokens)
        check_forced(request, completion.text, self.engine)
        return completion

    def _read(self, reply: dict[str, Any]) -> Completion:
        tokens = read_prompt_count(reply)
        if tokens >= self.context_tokens:
            raise GenerationError(
                f"a prompt filled the whole context of {self.context_tokens} tokens: it was cut",
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
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "keep_alive": self._params.keep_alive,
            "truncate": False,
            "shift": False,
            "think": False,
            "stream": True,
        }

    def _read_digest(self) -> str:
        digests: dict[str, str] = {}
        for host in self._hosts:
            if host.alive:
                with suppress(HostDown):
                    digests[host.address] = host.read_digest(self.model)
        if not digests:
            raise no_host_left(self._hosts)
        if len(set(digests.values())) > 1:
            listed = ", ".join(f"{address} {digest[:12]}" for address, digest in digests.items())
            raise GenerationError(
                f"the hosts have different models named {self.model}: {listed}",
                hint=f"run `ollama pull {self.model}` on each of them",
            )
        return next(iter(digests.values()))

    def _check_same_model(self, digest: str) -> None:
        if digest != self.model_digest:
            raise GenerationError(
                f"{self.model} was replaced while in use: {self.model_digest[:12]} is now {digest[:12]}",
                hint="run again: answers of the new model are kept apart from those of the old",
            )


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


def keep_reachable(hosts: Sequence[OllamaHost]) -> list[OllamaHost]:
    """Return the hosts that answer.

    Raises:
        GenerationError: none does.
    """
    reachable = [host for host in hosts if host.find_version()]
    if not reachable:
        raise no_host_left(hosts)
    return reachable


def common_version(hosts: Sequence[OllamaHost]) -> str:
    """Return the version that all hosts have; it is part of every call's key, whichever host answers.

    Raises:
        GenerationError: there are several.
    """
    if len({host.version for host in hosts}) > 1:
        listed = ", ".join(f"{host.address} {host.version}" for host in hosts)
        raise GenerationError(
            f"the hosts have different versions of Ollama: {listed}",
            hint=f"update Ollama on each of them, or leave out some of {HOST_VARIABLE}",
        )
    return hosts[0].version


def turn_hosts(hosts: Sequence[OllamaHost], place: int) -> list[OllamaHost]:
    """Return the hosts in the order in which a worker tries them.

    Its own is the first; the workers of one host differ in the second, and its calls are spread when it dies.
    """
    turn, own = divmod(place, len(hosts))
    others = [*hosts[own + 1 :], *hosts[:own]]
    first = turn % len(others) if others else 0
    return [hosts[own], *others[first:], *others[:first]]


def no_host_left(hosts: Sequence[OllamaHost]) -> GenerationError:
    """Return the error that says why no host can be asked."""
    faults = "; ".join(f"{host.address}: {host.fault}" for host in hosts)
    return GenerationError(
        f"no Ollama host answers ({faults})",
        hint=f"run `ollama serve`, or set {HOST_VARIABLE}; then run again: it goes on where it was",
    )


def all_busy(hosts: Sequence[OllamaHost], seconds: float) -> GenerationError:
    """Return the error that says which hosts took no call in so many seconds."""
    faults = "; ".join(f"{host.address}: {host.fault}" for host in hosts)
    return GenerationError(
        f"no Ollama host took a call within {seconds:g} s ({faults})",
        hint="lower llm.slots, raise OLLAMA_MAX_QUEUE, or run again later: it goes on where it was",
    )
