"""One Ollama server: its version, its models, and a chat that can't wait for ever."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from trialforge.core.errors import GenerationError
from trialforge.core.ollama_client import make_client
from trialforge.llm.backend import too_slow
from trialforge.llm.params import LlmParams

MIN_VERSION = (0, 17, 1)  # before it, a schema could be ignored without a word
UNVERSIONED = "0.0.0"  # what a build from source calls itself: the test of forcing must do
ATTEMPTS = 3


class HostDown(Exception):
    """A host does not answer, after several attempts; another may."""


class OllamaHost:
    """A server at an address; `alive` turns False, and `fault` says why, when it stops answering.

    Who calls takes one of its `slots`, so that it never has more calls in flight than that.
    """

    def __init__(self, address: str, params: LlmParams) -> None:
        whole = httpx.URL(address.rstrip("/"))
        self.address = str(whole.copy_with(userinfo=b""))  # errors say it: it holds no password
        self._auth = (whole.username, whole.password) if whole.username else None
        self.alive = True
        self.fault = ""
        self.version = ""
        self.slots = threading.Semaphore(params.slots)
        self._params = params
        self._silence, self._limit = min(
            (params.read_seconds, "read_seconds"), (params.call_seconds, "call_seconds")
        )
        limits = httpx.Timeout(self._silence, connect=params.connect_seconds)
        self._http = httpx.Client(base_url=self.address, auth=self._auth, timeout=limits, trust_env=False)

    def find_version(self) -> str | None:
        """Return the server's version, or None if it does not answer."""
        try:
            self.version = str(self._http.get("/api/version").raise_for_status().json()["version"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            self._give_up(error)
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
            models = self._http.get("/api/tags").raise_for_status().json()["models"]
        except httpx.TransportError as error:
            self._give_up(error)
            raise HostDown(self.fault) from error
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise GenerationError(f"Ollama at {self.address} does not list its models: {error}") from error
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
        made = make_client(self.address, auth=self._auth, timeout=self._params.read_seconds)
        from ollama import ResponseError

        try:
            with made as client:
                for _ in client.pull(model, stream=True):
                    pass
        except (ResponseError, httpx.HTTPError, ConnectionError) as error:
            raise GenerationError(f"Ollama at {self.address} can't pull {model}: {error}") from error

    def chat(self, body: dict[str, Any], stop: threading.Event) -> dict[str, Any]:
        """Return the last part of an answer, with the whole `text` added.

        Raises:
            HostDown: the connection fails, again and again.
            GenerationError: the server refuses, or the answer does not end in time.
        """
        again = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=0.5, max=4),
            retry=retry_if_exception(is_passing),
            reraise=True,
        )
        try:
            return again(self._chat, body, stop)
        except httpx.ReadTimeout as error:
            raise too_slow(
                f"an answer of Ollama at {self.address} said nothing for {self._silence:g} s", self._limit
            ) from error
        except (httpx.TransportError, ConnectionError) as error:
            self._give_up(error)
            raise HostDown(self.fault) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _chat(self, body: dict[str, Any], stop: threading.Event) -> dict[str, Any]:
        deadline = time.monotonic() + self._params.call_seconds
        pieces: list[str] = []
        with self._http.stream("POST", "/api/chat", json=body) as reply:
            if reply.status_code != httpx.codes.OK:
                raise self._refusal(reply.read().decode(errors="replace"))
            for line in reply.iter_lines():
                part = json.loads(line)
                if "error" in part:
                    raise self._refusal(line)
                pieces.append(part["message"]["content"])
                if part.get("done"):
                    return {**part, "text": "".join(pieces)}
                if stop.is_set():
                    raise GenerationError("the run ended before this answer did")
                if time.monotonic() > deadline:
                    raise too_slow(
                        f"an answer of Ollama at {self.address} went on for {self._params.call_seconds:g} s"
                    )
        raise ConnectionError("the answer broke off")

    def _refusal(self, text: str) -> GenerationError:
        hint = None
        if "context length" in text or "exceeds" in text:
            hint = "raise llm.context_tokens, or show fewer or shorter exemplars"
        elif "memory" in text:
            hint = "choose a smaller model, or lower llm.context_tokens or OLLAMA_NUM_PARALLEL"
        elif "not found" in text:
            hint = f"run: ollama pull {self._params.model}"
        return GenerationError(f"Ollama at {self.address} refused a call: {text.strip()[:300]}", hint=hint)

    def _give_up(self, error: Exception) -> None:
        self.alive = False
        self.fault = f"{type(error).__name__} {error}".strip()


def is_passing(error: BaseException) -> bool:
    """Return whether a fault of the connection may be gone at the next attempt."""
    broken = isinstance(error, httpx.TransportError | ConnectionError)
    return broken and not isinstance(error, httpx.ReadTimeout)


def is_cloud_name(model: str) -> bool:
    """Return whether a model's name says that it runs on Ollama's machines, not yours."""
    return bool(re.search(r"[:-]cloud$", model))


def cloud_error(model: str) -> GenerationError:
    """Return the error for a model that would send the prompts away."""
    return GenerationError(
        f"{model} is a cloud model: prompts would leave this machine", hint="choose a model that runs locally"
    )
