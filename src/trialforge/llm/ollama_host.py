"""One Ollama server: its version, its models, and a chat that can't wait for ever."""

from __future__ import annotations

import math
import re
import threading
from typing import Any

import httpx

from trialforge.core.bounded_http import Refusal
from trialforge.core.errors import GenerationError
from trialforge.core.ollama_client import OllamaServer
from trialforge.llm.hosts import Host
from trialforge.llm.params import LlmParams

MIN_VERSION = (0, 17, 1)  # before it, a schema could be ignored without a word
UNVERSIONED = "0.0.0"  # what a build from source calls itself: the test of forcing must do
OF_THE_CALL = {
    "context length": "raise llm.context_tokens, or show fewer or shorter exemplars",
    "exceeds": "raise llm.context_tokens, or show fewer or shorter exemplars",
    "memory": "choose a smaller model, or lower llm.context_tokens or OLLAMA_NUM_PARALLEL",
    "not found": "run: ollama pull {model}",
}


class OllamaHost(Host):
    """An Ollama server, and the version of it that answers there."""

    kind = "Ollama"
    hints = OF_THE_CALL

    def __init__(self, address: str, params: LlmParams) -> None:
        self._server = OllamaServer(address, silence=params.read_seconds, connect=params.connect_seconds)
        super().__init__(self._server.address, params)
        self.version = ""

    def find_version(self) -> None:
        """Ask for the server's version."""
        try:
            found = self._server.ask("GET", "/api/version", seconds=self._params.call_seconds)
            self.version = str(found["version"])
        except (httpx.HTTPError, Refusal, KeyError, TypeError) as error:
            raise self.fail(error) from error

    def check_version(self) -> None:
        """Refuse servers whose faults are not guarded against."""
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
        except (httpx.TransportError, Refusal) as error:
            raise self.fail(error) from error
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
        except (httpx.HTTPError, Refusal) as error:
            raise GenerationError(f"Ollama at {self.address} can't pull {model}: {error}") from error

    def chat(self, body: dict[str, Any], stop: threading.Event) -> dict[str, Any]:
        """Return the last part of an answer, with the whole `text` and all that is told of `tokens` added."""
        return self.ask_again(lambda: self._chat(body, stop), stop)

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


def is_cloud_name(model: str) -> bool:
    """Return whether a model's name says that it runs on Ollama's machines, not yours."""
    return bool(re.search(r"[:-]cloud$", model))


def cloud_error(model: str) -> GenerationError:
    """Return the error for a model that would send the prompts away."""
    return GenerationError(
        f"{model} is a cloud model: prompts would leave this machine", hint="choose a model that runs locally"
    )
