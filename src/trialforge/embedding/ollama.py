"""Embedding models that an Ollama server serves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from trialforge.core.errors import ParameterError, RetrievalError
from trialforge.core.files import hash_json
from trialforge.core.ollama_client import make_client, read_addresses
from trialforge.embedding.windows import pool_windows

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Matrix

REQUEST_TEXTS = 32
LOADING_SECONDS = 600.0  # of silence: a large model is read from a slow disk first
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
        listed = {model.model: model.digest for model in self._ask("list").models}
        name = self._model if ":" in self._model else f"{self._model}:latest"
        if name not in listed:
            known = ", ".join(sorted(filter(None, listed))) or "none"
            raise ParameterError(
                f"`embedding.model`: the Ollama server has no {name!r}, it has: {known}",
                hint=f"run: ollama pull {name}",
            )
        return hash_json({"ollama": listed[name], "window": self._window, "max_windows": self._max_windows})

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
            inputs = [" ".join(windows[number][1]) or " " for number in block]
            reply = self._ask("embed", model=self._model, input=inputs)
            answers |= zip(block, reply.embeddings, strict=True)
        if not windows:
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors = np.array([answers[number] for number in range(len(windows))], dtype=np.float32)
        weights = [max(len(words), 1) for _, words in windows]
        return pool_windows(vectors, [owner for owner, _ in windows], weights, len(texts))

    def _cut(self, text: str) -> list[list[str]]:
        words = text.split()
        starts = range(0, max(len(words), 1), self._window)
        return [words[start : start + self._window] for start in starts[: self._max_windows]]

    def _ask(self, method: str, **arguments: Any) -> Any:
        # One host makes all vectors: another may round otherwise.
        made = make_client(read_addresses()[0], timeout=LOADING_SECONDS)
        from ollama import ResponseError

        try:
            with made as client:
                return getattr(client, method)(**arguments)
        except (httpx.HTTPError, OSError) as error:
            raise RetrievalError("the Ollama server does not answer", hint=START) from error
        except ResponseError as error:
            raise RetrievalError(f"the Ollama server refuses to embed: {error.error}") from error
