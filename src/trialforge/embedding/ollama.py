"""Embedding models that an Ollama server serves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import httpx
import numpy as np

from trialforge.core.bounded_http import Refusal
from trialforge.core.errors import ParameterError, RetrievalError
from trialforge.core.files import hash_json
from trialforge.core.ollama_client import OllamaServer, read_addresses
from trialforge.core.secrets import shorten
from trialforge.embedding.windows import pool_windows

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Matrix

T = TypeVar("T")
REQUEST_TEXTS = 32
ANSWER_SECONDS = 300.0  # a large model is read from a slow disk first
# Not that of any chat. A chat that was given up holds the model until it has been read, but only for calls of
# its own context length: for another one the server loads the model anew.
CONTEXT_TOKENS = 4095
START = "start Ollama (`ollama serve`) and set OLLAMA_HOST to its address"


class OllamaEncoder:
    """Text to vectors by a model of the server at OLLAMA_HOST, the first if it names several.

    The server does not tell how it cuts tokens, so a window is that many words.
    """

    def __init__(self, model: str, window: int, max_windows: int) -> None:
        self._model, self._window, self._max_windows = model, window, max_windows

    @cached_property
    def digest(self) -> str:
        """Hash of the model's content as the server states it, and of the windows."""
        models = self._call(lambda server: server.list_models(seconds=ANSWER_SECONDS))
        listed = {model["name"]: model["digest"] for model in models}
        name = self._model if ":" in self._model else f"{self._model}:latest"
        if name not in listed:
            known = ", ".join(sorted(listed)) or "none"
            raise ParameterError(
                f"`embedding.model`: the Ollama server has no {name!r}; it has: {known}",
                hint=f"run: ollama pull {name}",
            )
        settings = {"window": self._window, "max_windows": self._max_windows, "context": CONTEXT_TOKENS}
        return hash_json({"ollama": listed[name], **settings})

    @cached_property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.encode(["trial"]).shape[1])

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one float32 row of length 1 for each text, in the order given."""
        windows = [(owner, words) for owner, text in enumerate(texts) for words in self._cut(text)]
        order = sorted(range(len(windows)), key=lambda number: len(windows[number][1]))
        answers: dict[int, Sequence[float]] = {}
        for start in range(0, len(order), REQUEST_TEXTS):
            block = order[start : start + REQUEST_TEXTS]
            rows = self._embed([" ".join(windows[number][1]) or " " for number in block])
            answers |= zip(block, rows, strict=True)
        if not windows:
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors = np.array([answers[number] for number in range(len(windows))], dtype=np.float32)
        weights = [max(len(words), 1) for _, words in windows]
        return pool_windows(vectors, [owner for owner, _ in windows], weights, len(texts))

    def _cut(self, text: str) -> list[list[str]]:
        words = text.split()
        starts = range(0, max(len(words), 1), self._window)
        return [words[start : start + self._window] for start in starts[: self._max_windows]]

    def _embed(self, inputs: list[str]) -> Sequence[Sequence[float]]:
        """Ask for vectors; a model that some other call holds is let go once, and asked again."""

        def ask(server: OllamaServer) -> Sequence[Sequence[float]]:
            def tell(seconds: float) -> None:
                sys.stderr.write(f"waiting for Ollama at {server.address} to embed, {seconds:.0f} s so far\n")

            with server.client(seconds=ANSWER_SECONDS, tell=tell) as client:
                found = client.embed(self._model, inputs, options={"num_ctx": CONTEXT_TOKENS})
            return found.embeddings

        def ask_again(server: OllamaServer) -> Sequence[Sequence[float]]:
            try:
                return ask(server)
            except httpx.ReadTimeout:
                server.unload(self._model)
                return ask(server)

        rows = self._call(ask_again)
        if len(rows) != len(inputs):
            raise RetrievalError(
                f"the Ollama server did not answer with {len(inputs)} vectors: {shorten(repr(rows), 200)}"
            )
        return rows

    def _call(self, ask: Callable[[OllamaServer], T]) -> T:
        # One host makes all vectors: another may round otherwise.
        server = OllamaServer(read_addresses()[0], silence=ANSWER_SECONDS)
        try:
            return ask(server)
        except httpx.ReadTimeout as error:
            raise RetrievalError(
                f"the Ollama server at {server.address} did not answer within {ANSWER_SECONDS:g} s",
                hint="check its load (`ollama ps`), restart it, or use a smaller embedding.model",
            ) from error
        except httpx.TransportError as error:
            raise RetrievalError(f"the Ollama server does not answer: {error}", hint=START) from error
        except Refusal as error:
            raise RetrievalError(f"the Ollama server refuses to embed: {error}") from error
        finally:
            server.close()
