"""A real HTTP proxy before a server: it passes everything on, and errs where a test says so."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.local_server import running


@dataclass(frozen=True)
class Asked:
    """A request: what came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_bulk(self) -> bool:
        return self.path.split("?")[0].endswith("/_bulk")


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"X-Elastic-Product": "Elasticsearch"})


@dataclass
class Proxy:
    """`before` may answer in the server's place or change what is asked; `after` may change the answer."""

    target: str
    before: Callable[[Asked], Asked | Answer] = lambda asked: asked
    after: Callable[[Asked, Answer], Answer] = lambda _, answer: answer
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    def handle(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        chosen = self.before(asked)
        return chosen if isinstance(chosen, Answer) else self.after(asked, self._pass_on(chosen))

    def _pass_on(self, asked: Asked) -> Answer:
        parts = urlsplit(self.target)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        headers = {name: value for name, value in asked.headers.items() if name.lower() != "host"}
        headers["Content-Length"] = str(len(asked.body))
        try:
            connection.request(asked.method, asked.path, asked.body or None, headers)
            reply = connection.getresponse()
            kept = {
                name: value
                for name, value in reply.getheaders()
                if name.lower().startswith(("x-", "content-type"))
            }
            return Answer(reply.status, reply.read(), kept)
        finally:
            connection.close()


@contextmanager
def serve(proxy: Proxy, certificate: Path | None = None) -> Iterator[Proxy]:
    """Run the proxy on a free port; with `certificate`, a PEM of key and certificates, by TLS."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                answer = proxy.handle(Asked(self.command, self.path, dict(self.headers.items()), body))
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)
            except OSError:  # the server behind, or the client, is gone
                self.close_connection = True

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:  # a client that does not trust us hangs up
            return

    server = Server(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with running(server) as address:
        proxy.url = f"{'https' if certificate else 'http'}://{address}"
        yield proxy
