"""One Ollama server: its version, its models, and a chat that can't wait for ever."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential
from tenacity.nap import sleep_using_event

from trialforge.core.bounded_http import HungUp, LateAnswer, LongAnswer
from trialforge.core.errors import GenerationError
from trialforge.core.ollama_client import OllamaRefusal, OllamaServer
from trialforge.llm.backend import too_slow
from trialforge.llm.params import LlmParams

MIN_VERSION = (0, 17, 1)  # before it, a schema could be ignored without a word
UNVERSIONED = "0.0.0"  # what a build from source calls itself: the test of forcing must do
ATTEMPTS = 3
BUSY = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
# What is wrong with the call itself, or with the set-up: to ask again, or elsewhere, is of no use.
OF_THE_CALL = {
    "context length": "raise llm.context_tokens, or show fewer or shorter exemplars",
    "exceeds": "raise llm.context_tokens, or show fewer or shorter exemplars",
    "memory": "choose a smaller model, or lower llm.context_tokens or OLLAMA_NUM_PARALLEL",
    "not found": "run: ollama pull {model}",
}


class HostDown(Exception):
    """A host does not answer, after several attempts; another may."""


class HostBusy(HostDown):
    """A host has more calls than it takes now; another may take this one, or the same later."""


class Slots:
    """The calls in flight at a host: one fewer for each that finds it busy, one more for each answered."""

    def __init__(self, count: int) -> None:
        self._most = self._open = count
        self._free = threading.Semaphore(count)
        self._lock = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold one slot, as soon as one is free."""
        change = 0
        self._free.acquire()
        try:
            yield
            change = 1
        except HostBusy:
            change = -1
            raise
        finally:
            with self._lock:
                before = self._open
                self._open = min(max(before + change, 1), self._most)
                for _ in range(1 + self._open - before):
                    self._free.release()


class OllamaHost:
    """A server at an address; `alive` turns False, and `fault` says why, when it stops answering."""

    def __init__(self, address: str, params: LlmParams) -> None:
        self._server = OllamaServer(address, silence=params.read_seconds, connect=params.connect_seconds)
        self.address = self._server.address
        self.alive = True
        self.fault = ""
        self.version = ""
        self.slots = Slots(params.slots)
        self._params = params

    def find_version(self) -> str | None:
        """Return the server's version, or None if it does not answer."""
        try:
            found = self._server.ask("GET", "/api/version", seconds=self._params.call_seconds)
            self.version = str(found["version"])
        except (httpx.HTTPError, OllamaRefusal, KeyError, TypeError) as error:
            self._fail(error)
            return None
        return self.version

    def check_version(self) -> None:
        """Refuse servers whose faults are not guarded against.

        Raises:
            GenerationError: the version is too old or no version.
        """
        if self.version == UNVERSIONED:
            return
        numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", self.version)
        if numbers is None or tuple(map(int, numbers.groups())) < MIN_VERSION:
            wanted = ".".join(map(str, MIN_VERSION))
            raise GenerationError(
                f"Ollama at {self.address} is {self.version!r}, but {wanted} or later is needed",
                hint="update Ollama: https://ollama.com/download",
            )

    def read_digest(self, model: str) -> str:
        """Return the digest of a model that lies on this server.

        Raises:
            HostDown: the server does not answer any more.
            GenerationError: the model is absent, or runs on somebody else's machine.
        """
        try:
            models = self._server.list_models(seconds=self._params.call_seconds)
        except (httpx.TransportError, OllamaRefusal) as error:
            raise self._fail(error) from error
        wanted = model if ":" in model.rpartition("/")[2] else f"{model}:latest"
        for entry in models:
            if entry["name"] == wanted:
                if entry.get("remote_host") or entry.get("remote_model") or is_cloud_name(wanted):
                    raise cloud_error(model)
                return str(entry["digest"])
        if is_cloud_name(wanted):
            raise cloud_error(model)
        have = ", ".join(sorted(entry["name"] for entry in models)) or "none"
        raise GenerationError(
            f"Ollama at {self.address} has no model {model}; it has: {have}",
            hint=f"run: ollama pull {model}, or for all hosts: trialforge pull",
        )

    def pull(self, model: str) -> None:
        """Fetch a model unless it is there; however long it takes, it must go on.

        Raises:
            GenerationError: the server can't fetch it.
        """
        if is_cloud_name(model):
            raise cloud_error(model)
        try:
            with self._server.client(seconds=math.inf) as client:
                for _ in client.pull(model, stream=True):
                    pass
        except (httpx.HTTPError, OllamaRefusal) as error:
            raise GenerationError(f"Ollama at {self.address} can't pull {model}: {error}") from error

    def chat(self, body: dict[str, Any], stop: threading.Event) -> dict[str, Any]:
        """Return the last part of an answer, with the whole `text` and all that is told of `tokens` added.

        Raises:
            HostBusy: the server has too many calls.
            HostDown: the connection, or the model behind it, fails again and again.
            GenerationError: the server refuses, or the answer does not end in time.
        """
        again = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=0.5, max=4),
            retry=retry_if_exception(is_passing),
            sleep=sleep_using_event(stop),
            reraise=True,
        )
        who = f"an answer of Ollama at {self.address}"
        try:
            return again(self._chat, body, stop)
        except HungUp as error:
            raise GenerationError(str(error)) from error
        except LateAnswer as error:
            raise too_slow(f"{who} did not end within {self._params.call_seconds:g} s") from error
        except httpx.ReadTimeout as error:
            seconds = f"{self._params.read_seconds:g} s"
            raise too_slow(f"{who} said nothing for {seconds}", "read_seconds") from error
        except LongAnswer as error:
            raise GenerationError(f"{who} is no answer: {error}", hint="look at what runs there") from error
        except OllamaRefusal as error:
            if is_of_the_call(error):
                raise GenerationError(
                    f"Ollama at {self.address} refused a call: {error}", hint=self._find_hint(error)
                ) from error
            raise self._fail(error) from error
        except httpx.TransportError as error:
            raise self._fail(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def _chat(self, body: dict[str, Any], stop: threading.Event) -> dict[str, Any]:
        pieces: list[str] = []
        tokens: list[Any] = []
        try:
            with self._server.stream(
                "/api/chat", body, seconds=self._params.call_seconds, stop=stop
            ) as parts:
                for part in parts:
                    pieces.append(str(part.get("message", {}).get("content", "")))
                    tokens += part.get("logprobs") or ()
                    if part.get("done"):
                        return {**part, "text": "".join(pieces), "tokens": tokens}
            raise httpx.RemoteProtocolError("the answer broke off")
        except (httpx.TransportError, KeyboardInterrupt):
            self._server.unload(self._params.model)
            raise

    def _find_hint(self, refusal: OllamaRefusal) -> str | None:
        hints = (hint for sign, hint in OF_THE_CALL.items() if sign in str(refusal))
        hint = next(hints, None)
        return hint and hint.format(model=self._params.model)

    def _fail(self, error: Exception) -> HostDown:
        refused = isinstance(error, OllamaRefusal)
        self.fault = str(error) if refused else f"{type(error).__name__} {error}".strip()
        if isinstance(error, OllamaRefusal) and error.status in BUSY:
            return HostBusy(self.fault)
        self.alive = False
        return HostDown(self.fault)


def is_of_the_call(refusal: OllamaRefusal) -> bool:
    """Return whether another attempt, or another host, would meet the same refusal."""
    if refusal.status in BUSY:
        return False
    own = refusal.status < httpx.codes.INTERNAL_SERVER_ERROR
    return own or any(sign in str(refusal) for sign in OF_THE_CALL)


def is_passing(error: BaseException) -> bool:
    """Return whether a fault of the connection, or of the model behind it, may be gone at once."""
    if isinstance(error, OllamaRefusal):
        return error.status not in BUSY and not is_of_the_call(error)
    ended = (httpx.ReadTimeout, HungUp, LongAnswer)
    return isinstance(error, httpx.TransportError) and not isinstance(error, ended)


def is_cloud_name(model: str) -> bool:
    """Return whether a model's name says that it runs on Ollama's machines, not yours."""
    return bool(re.search(r"[:-]cloud$", model))


def cloud_error(model: str) -> GenerationError:
    """Return the error for a model that would send the prompts away."""
    return GenerationError(
        f"{model} is a cloud model: prompts would leave this machine", hint="choose a model that runs locally"
    )
