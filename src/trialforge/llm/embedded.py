"""The model on this machine: llama.cpp's own servers, through xllamacpp, without a network.

With `llm.exact`, answers are equal bytes whatever the number of slots and threads, the order of calls and
what the prefix cache holds. Left alone, this engine adds numbers in another order for one token than for
many (tiled attention, attention split among threads, repacked weights): the timing of calls would show.
Attention over keys of another type than the values has one way only, row by row; weights keep their layout.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import httpx

from trialforge.core.bounded_http import HungUp, open_call, parse_json, read_json
from trialforge.core.errors import GenerationError
from trialforge.core.pieces import count_cores
from trialforge.llm.backend import Completion, Message, Request, check_room, message_json, too_slow
from trialforge.llm.engine_process import EngineProcess, EngineSettings
from trialforge.llm.models import ModelFile
from trialforge.llm.params import LlmParams
from trialforge.llm.pool import answer_all
from trialforge.llm.schemas import take_answer


class EmbeddedGenerator:
    """A TextGenerator over a GGUF file.

    Raises:
        GenerationError: the file can't be loaded, or has a smaller context than is asked for.
    """

    def __init__(self, model: ModelFile, params: LlmParams) -> None:
        import xllamacpp

        mode = "exact" if params.exact else "fast"
        self.engine = f"llama.cpp (xllamacpp {xllamacpp.__version__}, {mode})"
        self.model = model.name
        self.model_digest = model.digest
        self.context_tokens = params.context_tokens
        self._params = params
        self._shape = worker_shape(params)
        self._held = [""] * params.slots
        token = secrets.token_hex(16)
        settings = EngineSettings(
            str(model.path),
            params.context_tokens,
            self._shape.slots,
            self._shape.threads,
            params.exact,
            token,
        )
        self._engines = [Engine(settings, params.call_seconds) for _ in range(self._shape.workers)]
        for engine in self._engines:
            try:
                engine.connect()
            except GenerationError:
                self.close()
                raise
        self._check_context()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the chat, template included."""
        return len(self.tokenize(messages))

    def tokenize(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Return the `id` and `piece` of each token of the chat, template included."""
        return self._engines[0].tokenize(messages)

    def complete(self, requests: Sequence[Request]) -> Generator[tuple[int, Completion]]:
        """Yield each answer with its request's index, as they finish."""
        places = [(engine, slot) for slot in range(self._shape.slots) for engine in self._engines]
        workers = [partial(self._answer, *place) for place in places[: self._params.slots]]
        with closing(answer_all(requests, workers, self._held)) as answers:
            yield from answers

    def close(self) -> None:
        """Free the model."""
        for engine in self._engines:
            engine.close()

    def _answer(self, engine: Engine, slot: int, request: Request, stop: threading.Event) -> Completion:
        counted = len(engine.tokenize(request.messages))
        check_room(counted, request.sampling.max_tokens, self.context_tokens)
        reply = StreamedAnswer(time.monotonic() + self._params.call_seconds, stop)
        # Repeats of anything in the context count: prompts show what must not be copied.
        place = {"id_slot": slot, "dry_penalty_last_n": self.context_tokens}
        engine.chat(request_json(request) | place, reply)
        completion = reply.finish(self.model_digest, self._params.call_seconds)
        check_count(counted, completion)
        return take_answer(request, completion, reply.tokens, self.engine)

    def _check_context(self) -> None:
        trained = self._engines[0].read_trained_context()
        if self.context_tokens > trained:
            self.close()
            raise GenerationError(
                f"`llm.context_tokens` is {self.context_tokens}, but {self.model} was trained with {trained}",
                hint=f"set llm.context_tokens to {trained} or less",
            )


class Engine:
    """One server and the way to talk to it; every method raises GenerationError when it is gone."""

    def __init__(self, settings: EngineSettings, call_seconds: float) -> None:
        self._process = EngineProcess(settings)
        self._seconds = call_seconds
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {settings.token}"},
            timeout=call_seconds,
            limits=httpx.Limits(max_keepalive_connections=0),  # it closes idle ones without a word
            trust_env=False,
        )

    def connect(self) -> None:
        """Wait until the model is loaded."""
        self._http.base_url = self._process.wait_for_address(self._seconds)

    def tokenize(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Return the `id` and `piece` of each token of the chat, template included."""
        chat = {"messages": [message_json(message) for message in messages]}
        prompt = self._ask("POST", "/apply-template", json=chat)["prompt"]
        body = {"content": prompt, "add_special": True, "parse_special": True, "with_pieces": True}
        tokens: list[dict[str, Any]] = self._ask("POST", "/tokenize", json=body)["tokens"]
        return tokens

    def read_trained_context(self) -> int:
        """Return the tokens of context that the model was made for."""
        return int(self._ask("GET", "/v1/models")["data"][0]["meta"]["n_ctx_train"])

    def chat(self, body: dict[str, Any], reply: StreamedAnswer) -> None:
        """Ask, and let the reply read the answer; the engine stops when the reply has enough."""
        seconds = reply.deadline - time.monotonic()
        with (
            self._report_loss(),
            suppress(httpx.ReadTimeout),  # the reply says so: it has not ended
            open_call(
                self._http, "POST", "/v1/chat/completions", json=body, seconds=seconds, stop=reply.stop
            ) as answer,
        ):
            if answer.response.status_code != httpx.codes.OK:
                reply.error = answer.read().decode(errors="replace")
                return
            for line in answer.lines():
                event, _, value = line.strip().partition(b": ")
                if event in (b"data", b"error") and value != b"[DONE]":
                    reply.read(parse_json(value))

    def close(self) -> None:
        """End the process."""
        self._http.close()
        self._process.close()

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        with self._report_loss():
            return read_json(self._http, method, path, seconds=self._seconds, **request)

    @contextmanager
    def _report_loss(self) -> Iterator[None]:
        try:
            yield
        except HungUp as error:
            raise GenerationError(str(error)) from error
        except httpx.TransportError as error:
            raise GenerationError(
                f"an answer broke off: {self._process.say_end()} ({error})",
                hint="run the same command again to continue; if memory is short, "
                "lower llm.slots or llm.context_tokens",
            ) from error


class StreamedAnswer:
    """One streamed answer; reading it stops when its time is up or the run ends."""

    def __init__(self, deadline: float, stop: threading.Event) -> None:
        self.deadline = deadline
        self.stop = stop
        self.tokens: list[Any] = []
        self._pieces: list[str] = []
        self._usage: dict[str, Any] = {}
        self._finish: str | None = None
        self.error: Any = None

    def read(self, chunk: dict[str, Any]) -> None:
        """Take one chunk."""
        if "error" in chunk:
            self.error = chunk["error"]
        for choice in chunk.get("choices", ()):
            self._pieces.append(choice["delta"].get("content") or "")
            self._finish = choice["finish_reason"] or self._finish
            self.tokens += (choice.get("logprobs") or {}).get("content") or ()
        self._usage = chunk.get("usage") or self._usage

    def finish(self, model_digest: str, seconds: float) -> Completion:
        """Return the whole answer.

        Raises:
            GenerationError: the engine refused, or the answer did not end in time.
        """
        if self.error is not None:
            raise GenerationError(f"llama.cpp refused a call: {self.error}")
        if self._finish not in ("stop", "length") or not self._usage:
            raise too_slow(f"an answer did not end within {seconds:g} s")
        return Completion(
            text="".join(self._pieces),
            prompt_tokens=self._usage["prompt_tokens"],
            cached_tokens=self._usage["prompt_tokens_details"]["cached_tokens"],
            completion_tokens=self._usage["completion_tokens"],
            model_digest=model_digest,
            finish_reason="stop" if self._finish == "stop" else "length",
        )


def check_count(counted: int, completion: Completion) -> None:
    """Refuse an answer to a prompt that the engine did not read whole."""
    if completion.prompt_tokens != counted:
        raise GenerationError(
            f"a prompt has {counted} tokens, but the engine read only {completion.prompt_tokens}"
        )


class WorkerShape(NamedTuple):
    """Contexts of the engine over the same weights, and what each of them has."""

    workers: int
    slots: int
    threads: int


def worker_shape(params: LlmParams) -> WorkerShape:
    """Return how slots and cores are shared out.

    By default each core has a worker of one thread: threads of one worker wait for each other many times a
    token, which costs nothing on an idle machine and nearly everything on a busy one.
    """
    threads = params.threads or count_cores()
    workers = min(params.workers or threads, params.slots)
    return WorkerShape(workers, -(-params.slots // workers), max(1, threads // workers))


def request_json(request: Request) -> dict[str, Any]:
    """Return a call as the server's chat endpoint reads it."""
    body: dict[str, Any] = {
        **request.sampling.model_dump(),
        "messages": [message_json(message) for message in request.messages],
        "seed": request.seed,
        "cache_prompt": True,
        "stream": True,
        "stream_options": {"include_usage": True},
        "reasoning_format": "none",
        "chat_template_kwargs": {"enable_thinking": False},
    }
    if request.top_tokens:
        body |= {"logprobs": True, "top_logprobs": request.top_tokens}
    if request.schema is not None:
        body["grammar"] = schema_grammar(request.schema)
    return body


def schema_grammar(schema: dict[str, Any]) -> str:
    """Return the grammar of a schema without free white space.

    The server's own way to a schema lets the model write spaces and line breaks between all parts: a small
    model spends half of its tokens on them.
    """
    tight = {**schema, "x-guidance": {"whitespace_flexible": False}}
    return f"%llguidance {{}}\nstart: %json {json.dumps(tight, ensure_ascii=False)}"
