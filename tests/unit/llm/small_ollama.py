"""A tiny HTTP server that speaks as much of Ollama as a test needs: rare faults can be had at will."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.local_server import running

ANSWER = '{"phase":"I","title":"A small trial"}'


@dataclass
class SmallOllama:
    """What the server says; tests change it while it runs."""

    version: str = "0.17.4"
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"name": "m:latest", "digest": "a" * 64}])
    parts: list[str] = field(default_factory=lambda: [ANSWER])
    first_tokens: dict[str, float] = field(default_factory=dict)  # logarithms, where it tells them
    prompt_tokens: int | None = 20
    pause: float = 0.0
    silent_after: float = float("inf")  # chats; to later ones it never says anything
    break_off: bool = False
    refusal: str | None = None
    cut_off: bool = False  # in the midst of a line
    most_taken: int = 99  # chats at once; to more it says that it is busy
    deaths: int = 0  # of the model in the next so many answers, in the midst of them
    lists_models: bool = True
    running: list[int] = field(default_factory=list)  # an item for each chat that goes on now
    most_running: int = 0
    replaced_at: int = 0  # the call at which another model takes the name
    address: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    pulled: list[str] = field(default_factory=list)
    unloaded: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def _handler(state: SmallOllama) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/api/tags" and not state.lists_models:
                self.close_connection = True
                return
            value = {"version": state.version} if self.path == "/api/version" else {"models": state.models}
            self._say(200, [json.dumps(value)])

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/api/pull":
                if state.refusal:  # the stream has begun by then: it is no status, but a line
                    return self._say(200, [json.dumps({"error": state.refusal})])
                state.pulled.append(body["model"])
                state.models.append({"name": body["model"], "digest": "b" * 64})
                return self._say(200, ['{"status":"success"}'])
            if self.path == "/api/generate":
                state.unloaded.append(body["model"])
                return self._say(200, ['{"done":true,"done_reason":"unload"}'])
            with state.lock:
                if len(state.running) >= state.most_taken:
                    return self._say(503, ['{"error":"server busy, please try again."}'])
                state.running.append(1)
                state.most_running = max(len(state.running), state.most_running)
            try:
                return self._chat(body)
            finally:
                state.running.pop()

        def _chat(self, body: dict[str, Any]) -> None:
            state.asked.append(body)
            if len(state.asked) > state.silent_after:
                time.sleep(600)
            if len(state.asked) == state.replaced_at:
                state.models = [{"name": "m:latest", "digest": "c" * 64}]
            if state.refusal:
                return self._say(500, [json.dumps({"error": state.refusal})])
            lines = [json.dumps({"message": {"content": part}}, ensure_ascii=False) for part in state.parts]
            if body.get("logprobs") and state.first_tokens:
                told = [{"token": token, "logprob": value} for token, value in state.first_tokens.items()]
                lines = [json.dumps({"message": {"content": "x"}, "logprobs": [{"top_logprobs": told}]})]
            last = {"message": {"content": ""}, "done": True, "done_reason": "stop"}
            last |= {"eval_count": 9}
            if state.prompt_tokens is not None:
                last |= {"prompt_eval_count": state.prompt_tokens}
            self._say(200, lines)
            if state.deaths:
                state.deaths -= 1
                died = "model runner has unexpectedly stopped, this may be due to resource limitations"
                return self._write([json.dumps({"error": died})])
            if state.cut_off:
                self.wfile.write(json.dumps(last)[:-9].encode())
            elif not state.break_off:
                self._write([json.dumps(last, ensure_ascii=False)])
            return None

        def _say(self, code: int, lines: list[str]) -> None:
            self.send_response(code)
            self.end_headers()
            self._write(lines)

        def _write(self, lines: list[str]) -> None:
            try:
                for line in lines:
                    time.sleep(state.pause if self.path == "/api/chat" else 0)
                    self.wfile.write(line.encode(errors="surrogatepass") + b"\n")
                    self.wfile.flush()
            except OSError:
                pass  # the client gave up, as it should

    return Handler


@contextmanager
def serve(state: SmallOllama) -> Iterator[SmallOllama]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    with running(server) as address:
        state.address = f"http://{address}"
        yield state
