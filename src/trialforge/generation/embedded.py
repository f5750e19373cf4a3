"""The model in this process: llama.cpp's own server, through xllamacpp, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

from trialforge.generation.backend import Completion, Message, Request
from trialforge.generation.llm_params import LlmParams
from trialforge.generation.models import ModelFile


class EmbeddedGenerator:
    """A TextGenerator over a GGUF file."""

    def __init__(self, model: ModelFile, params: LlmParams) -> None:
        import xllamacpp

        self.engine = f"xllamacpp {xllamacpp.__version__}"
        self.model = model.name
        self.model_digest = model.digest
        self.context_tokens = params.context_tokens
        self._slots = params.slots
        settings = xllamacpp.CommonParams()
        settings.model.path = str(model.path)
        settings.n_ctx = params.context_tokens * params.slots
        settings.n_parallel = params.slots
        settings.cpuparams.n_threads = params.threads
        settings.cpuparams_batch.n_threads = params.threads
        settings.verbosity = 0
        self._server = xllamacpp.Server(settings)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the chat, template included."""
        prompt = self._post("/apply-template", {"messages": [message_json(m) for m in messages]})["prompt"]
        return len(
            self._post("/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]
        )

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """Yield each answer with its request's index, as they finish."""
        with ThreadPoolExecutor(self._slots) as pool:
            futures = {pool.submit(self._answer, request): index for index, request in enumerate(requests)}
            for future in as_completed(futures):
                yield futures[future], future.result()

    def close(self) -> None:
        """Free the model."""
        del self._server

    def _answer(self, request: Request) -> Completion:
        reply = self._server.handle_chat_completions(request_json(request))
        usage, choice = reply["usage"], reply["choices"][0]
        return Completion(
            text=choice["message"]["content"],
            prompt_tokens=usage["prompt_tokens"],
            cached_tokens=usage["prompt_tokens_details"]["cached_tokens"],
            completion_tokens=usage["completion_tokens"],
            model_digest=self.model_digest,
            finish_reason=choice["finish_reason"],
        )

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        request = HttpRequest(  # noqa: S310
            self._server.listening_address + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=60) as reply:  # noqa: S310
            return json.load(reply)


def message_json(message: Message) -> dict[str, str]:
    """Return one chat turn as the server reads it."""
    return {"role": message.role, "content": message.content}


def request_json(request: Request) -> dict[str, Any]:
    """Return a call as the server's chat endpoint reads it."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "messages": [message_json(message) for message in request.messages],
        "seed": request.seed,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repeat_penalty,
        "max_tokens": sampling.max_tokens,
        "cache_prompt": True,
    }
    if request.schema is not None:
        schema = {"name": "answer", "schema": request.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body
