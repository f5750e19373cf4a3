"""HTTP calls that end: by a deadline for the whole call, by a bound on the answer, or when told to stop.

The time-outs of httpx bound each silence. A server that trickles bytes is never silent for long, and a thread
that waits for a byte hears nothing else; so another thread watches each call and cuts its connection.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import httpx

from trialforge.core.secrets import shorten

MAX_BYTES = 64 * 2**20
TELL_SECONDS = 30.0
_LOOK_SECONDS = 0.1


class LateAnswer(httpx.ReadTimeout):
    """The whole call took longer than it may."""


class LongAnswer(httpx.RemoteProtocolError):
    """The answer is longer than it may be."""


class HungUp(httpx.ReadError):
    """The call was told to stop."""


class Refusal(Exception):
    """What a server says instead of an answer, with the status of HTTP; 500 in the midst of an answer."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(shorten(said.strip(), 300) or f"HTTP {status}")
        self.status = status


class BoundedResponse:
    """An answer whose body has not been read yet."""

    def __init__(self, response: httpx.Response, watch: _Watch, max_bytes: int) -> None:
        self.response = response
        self._watch = watch
        self._max_bytes = max_bytes

    def read(self) -> bytes:
        """Return the whole body.

        Raises:
            httpx.TransportError: it broke off, came late, is too long, or the call was told to stop.
        """
        return b"".join(self._chunks())

    def lines(self) -> Iterator[bytes]:
        """Yield the lines as they come; only a line feed ends one: other separators may stand in a text."""
        begun: list[bytes] = []
        for chunk in self._chunks():
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                yield b"".join([*begun, end])
                begun.clear()
            begun.append(rest)
        if any(begun):
            yield b"".join(begun)

    def _chunks(self) -> Iterator[bytes]:
        yield from _bound(self.response.iter_bytes(), self._max_bytes)
        self._watch.check()  # a connection that was cut may look like the end of an answer


def _bound(chunks: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise LongAnswer(f"an answer is longer than {max_bytes} bytes")
        yield chunk


class BoundedTransport(httpx.BaseTransport):
    """What `open_call` promises, for a library that makes its own `httpx.Client`; good for one call.

    Args:
        seconds: the whole call may take.
        stop: ends the call when it is set.
        tell: hears every TELL_SECONDS for how many seconds the call has gone on.
    """

    def __init__(
        self,
        seconds: float,
        *,
        stop: threading.Event | None = None,
        tell: Callable[[float], None] | None = None,
    ) -> None:
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.HTTPTransport(_trusted(), limits=limits, trust_env=False)
        self._watch = _Watch(seconds, stop, tell)
        threading.Thread(target=self._watch.run, daemon=True).start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; what cuts the call is raised here, or while the answer is read."""
        request.extensions = {**request.extensions, "trace": self._watch.trace}
        try:
            response = self._inner.handle_request(request)
        except httpx.TransportError:
            self._watch.check()
            raise
        stream = _BoundedStream(response.stream, self._watch)
        return httpx.Response(response.status_code, headers=response.headers, stream=stream)

    def close(self) -> None:
        """End the call."""
        self._watch.ended.set()
        self._inner.close()


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Return the certificates that are trusted: reading them takes longer than a short call."""
    return httpx.create_ssl_context(trust_env=False)


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, stream: Any, watch: _Watch) -> None:
        self._stream, self._watch = stream, watch

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from _bound(self._stream, MAX_BYTES)
        except httpx.TransportError:
            self._watch.check()
            raise
        self._watch.check()

    def close(self) -> None:
        self._stream.close()


@contextmanager
def open_call(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    seconds: float,
    max_bytes: int = MAX_BYTES,
    stop: threading.Event | None = None,
    tell: Callable[[float], None] | None = None,
    **request: Any,
) -> Iterator[BoundedResponse]:
    """Send a request and yield its answer; leaving the block ends the call.

    Args:
        client: keeps no connection alive: only one that is made for the call can be cut.
        method: of HTTP.
        url: absolute, or below the client's `base_url`.
        seconds: the whole call may take.
        max_bytes: of the answer, unpacked.
        stop: ends the call when it is set.
        tell: hears every TELL_SECONDS for how many seconds the call has gone on.
        **request: as of `httpx.Client.stream`.

    Raises:
        httpx.TransportError: there is no connection, or it broke off; LateAnswer, LongAnswer or HungUp.
    """
    watch = _Watch(seconds, stop, tell)
    watch.check()
    threading.Thread(target=watch.run, daemon=True).start()
    try:
        with client.stream(method, url, extensions={"trace": watch.trace}, **request) as response:
            yield BoundedResponse(response, watch, max_bytes)
    except httpx.RequestError as error:
        watch.check()
        if isinstance(error, httpx.TransportError):
            raise
        raise httpx.RemoteProtocolError(str(error)) from error  # packed bytes that can't be unpacked
    finally:
        watch.ended.set()


def read_json(client: httpx.Client, method: str, url: str, **call: Any) -> Any:
    """Return the JSON of an answer; arguments are those of `open_call`.

    Raises:
        httpx.HTTPError: as `open_call`; or the status is an error, or the body is no JSON.
    """
    with open_call(client, method, url, **call) as answer:
        body = answer.read()
        answer.response.raise_for_status()
    return parse_json(body)


def parse_json(text: bytes) -> Any:
    """Return the JSON of an answer, or of a line of it, whatever characters stand in its texts.

    Raises:
        httpx.RemoteProtocolError: it is none, for instance because it was cut.
    """
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        raise httpx.RemoteProtocolError(f"the answer is not JSON: {error}") from error


class _Watch:
    """Looks at a call from another thread, and cuts its connection when it must end."""

    def __init__(
        self, seconds: float, stop: threading.Event | None, tell: Callable[[float], None] | None
    ) -> None:
        self.ended = threading.Event()
        self._start = time.monotonic()
        self._seconds, self._stop, self._tell = seconds, stop, tell
        self._stream: Any = None

    def trace(self, event: str, details: dict[str, Any]) -> None:
        """Take the connection as httpcore tells of it, first plain, then with TLS."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = details["return_value"]

    def check(self) -> None:
        """Raise what has ended the call, if anything has."""
        if self._stop is not None and self._stop.is_set():
            raise HungUp("the run ended before this answer did")
        if time.monotonic() - self._start > self._seconds:
            raise LateAnswer(f"the call took longer than {self._seconds:g} s")

    def run(self) -> None:
        """Watch until the call has ended."""
        tell_at = TELL_SECONDS
        while not self.ended.wait(_LOOK_SECONDS):
            try:
                self.check()
            except httpx.TransportError:
                with suppress(OSError, AttributeError):  # there is no connection yet, or no more
                    self._stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            passed = time.monotonic() - self._start
            if self._tell is not None and passed > tell_at:
                self._tell(passed)
                tell_at += TELL_SECONDS
