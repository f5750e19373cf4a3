"""A tiny HTTP server that speaks as much of OpenAI's API as a test needs; what it ignores can be chosen."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.local_server import running

ANSWER = '{"phase":"I","title":"A small trial"}'
FORCED = '{"word":"zq7-vx","more":""}'
NARROW = {"top_p": 0.01, "top_k": 1, "min_p": 1.0}


@dataclass
class SmallOpenAI:
    """What the server says; tests change it while it runs."""

    entries: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": "m", "owned_by": "small", "meta": {"size": 7, "n_ctx": 512}}]
    )
    fingerprint: str = "v1"
    ignored: set[str] = field(default_factory=set)  # settings that it takes and does not act on
    refused: set[str] = field(default_factory=set)  # settings that it refuses
    key: str | None = None
    text: str = ANSWER  # to a prompt with a schema
    first_tokens: dict[str, float] = field(default_factory=dict)  # logarithms, where it tells them
    most_read: float = float("inf")  # words of a prompt; the rest it cuts
    tells_usage: bool = True
    pause: float = 0.0
    most_taken: int = 99  # chats at once; to more it says that it is busy
    deaths: int = 0  # of the next so many answers, in the midst of them
    replaced_at: int = 0  # the call with a schema at which other weights take the name
    raw: bytes | None = None  # in place of any chat
    address: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)  # with a schema
    headers: dict[str, str] = field(default_factory=dict)  # of the last call
    chats: int = 0
    running: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: dict[str, Any]) -> str:
        """What a model says: one answer if little enough is left to choose from, else one for each seed."""
        if "response_format" in body and "schema" not in self.ignored:
            return FORCED if "zq7-vx" in json.dumps(body["response_format"]) else self.text
        heeded = {name: value for name, value in body.items() if name not in self.ignored}
        penalised = heeded.get("repeat_penalty", 1) > 1 or heeded.get("dry_multiplier", 0) > 0
        narrow = any(name in heeded and heeded[name] in (limit, limit / 10) for name, limit in NARROW.items())
        if heeded.get("temperature", 1) == 0 or narrow:
            return "one two three" if penalised else "one one one"
        return str(random.Random(heeded.get("seed")).random())


def _handler(state: SmallOpenAI) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            if self._is_closed():
                return
            if self.path != "/v1/models":
                self._say(404, ['{"detail":"Not Found"}'])
                return
            self._say(200, [json.dumps({"object": "list", "data": state.entries})])

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self._is_closed():
                return
            with state.lock:
                if len(state.running) >= state.most_taken:
                    self._say(503, ['{"error":{"message":"too many calls"}}'])
                    return
                state.running.append(1)
                state.chats += 1
            try:
                self._chat(body)
            finally:
                state.running.pop()

        def _is_closed(self) -> bool:
            state.headers = dict(self.headers)
            closed = state.key is not None and self.headers["Authorization"] != f"Bearer {state.key}"
            if closed:
                self._say(401, ['{"error":{"message":"Invalid API Key","code":401}}'])
            return closed

        def _chat(self, body: dict[str, Any]) -> None:
            if unknown := state.refused & body.keys():
                message = f"unknown argument {sorted(unknown)[0]}"
                self._say(400, [json.dumps({"error": {"message": message}})])
                return
            if "response_format" in body and "zq7-vx" not in json.dumps(body["response_format"]):
                state.asked.append(body)
                if len(state.asked) == state.replaced_at:
                    state.entries = [{**state.entries[0], "meta": {"size": 8}}]
            if state.raw is not None:
                self._say(200, [])
                self.wfile.write(state.raw)
                return
            words = sum(len(message["content"].split()) for message in body["messages"])
            usage = {"prompt_tokens": int(min(words, state.most_read)), "completion_tokens": 9}
            choice: dict[str, Any] = {"delta": {"content": state.answer(body)}, "finish_reason": None}
            if body.get("logprobs") and state.first_tokens:
                told = [{"token": token, "logprob": value} for token, value in state.first_tokens.items()]
                choice["logprobs"] = {"content": [{"top_logprobs": told}]}
            frame = {"system_fingerprint": state.fingerprint, "object": "chat.completion.chunk"}
            parts: list[dict[str, Any]] = [
                {**frame, "choices": [choice]},
                {**frame, "choices": [{"delta": {}, "finish_reason": "stop"}]},
                {**frame, "choices": [], **({"usage": usage} if state.tells_usage else {})},
            ]
            dies = state.deaths > 0
            state.deaths -= dies
            lines = [f"data: {json.dumps(part)}\n" for part in (parts[:1] if dies else parts)]
            self._say(200, lines if dies else [*lines, "data: [DONE]\n"])

        def _say(self, code: int, lines: list[str]) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            try:
                for line in lines:
                    time.sleep(state.pause if line.startswith("data") else 0)
                    self.wfile.write(line.encode() + b"\n")
                    self.wfile.flush()
            except OSError:
                pass  # the client gave up, as it should

    return Handler


@contextmanager
def serve(state: SmallOpenAI) -> Iterator[SmallOpenAI]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    with running(server) as address:
        state.address = f"http://{address}/v1"
        yield state
