"""A server that answers every request with the bytes a test gives it: slowly, or without an end."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.local_server import running

HEAD = b"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: application/json\r\n\r\n"


def slow_headers() -> Iterator[bytes]:
    """A head that never ends."""
    yield HEAD[:-2]
    yield from (f"X-{number}: y\r\n".encode() for number in itertools.count())


def slow_body() -> Iterator[bytes]:
    """White space for ever: what comes after it may be JSON."""
    yield HEAD
    yield from itertools.repeat(b" ")


def slow_lines() -> Iterator[bytes]:
    """An answer whose parts never end."""
    yield HEAD
    yield from itertools.repeat(b'{"message": {"content": "a"}}\n')


def flood() -> Iterator[bytes]:
    """Mebibytes of nothing, as fast as they can be read."""
    yield HEAD
    yield from itertools.repeat(b" " * 2**20)


TRICKLES = (slow_headers, slow_body, slow_lines)


@contextmanager
def answering(make: Callable[[], Iterable[bytes]], pause: float = 0.0) -> Iterator[str]:
    """Yield `127.0.0.1:PORT`; what `make` returns answers each request, with pauses."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.close_connection = True
            try:
                for piece in make():
                    self.wfile.write(piece)
                    self.wfile.flush()
                    time.sleep(pause)
            except OSError:  # the client has gone, as it should
                return

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = answer

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    with running(server) as address:
        yield address
