"""A relay before a real Ollama: it can die in the middle of an answer, or change what the server says."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.local_server import running


@dataclass
class Relay:
    """What happens on the way; `parts_left` counts the parts of answers until the server dies."""

    upstream: str
    parts_left: float = float("inf")
    rewrite: Callable[[str, Any], Any] = lambda _path, value: value
    at_part: Callable[[], object] = lambda: None
    address: str = ""
    chats: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def pass_part(self) -> bool:
        """Return whether the server still lives for one more part."""
        with self.lock:
            self.parts_left -= 1
            return self.parts_left >= 0


def _handler(relay: Relay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            if relay.parts_left < 0:
                self._die()
                return
            value = httpx.get(relay.upstream + self.path, trust_env=False).json()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(relay.rewrite(self.path, value)).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if relay.parts_left < 0:
                self._die()
                return
            relay.chats += self.path == "/api/chat"
            with httpx.stream(
                "POST", relay.upstream + self.path, content=body, timeout=60, trust_env=False
            ) as reply:
                self.send_response(reply.status_code)
                self.end_headers()
                for part in reply.iter_bytes():
                    relay.at_part()
                    if not relay.pass_part():
                        self._die()
                        return
                    self.wfile.write(part)
                    self.wfile.flush()

        def _die(self) -> None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    return Handler


@contextmanager
def relay_to(upstream: str, **changes: Any) -> Iterator[Relay]:
    relay = Relay(upstream, **changes)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(relay))
    server.handle_error = lambda *_: None
    with running(server) as address:
        relay.address = f"http://{address}"
        yield relay
