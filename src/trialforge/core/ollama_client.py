"""Where Ollama is, and calls to one server of it, each with a deadline and a bound."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

import httpx

from trialforge.core.bounded_http import BoundedTransport, Refusal, open_call, parse_json
from trialforge.core.errors import ParameterError
from trialforge.core.secrets import fits_header, shorten

if TYPE_CHECKING:
    import ollama

HOST_VARIABLE = "OLLAMA_HOST"
KEY_VARIABLE = "OLLAMA_API_KEY"  # which the library sends
DEFAULT_HOST = "http://127.0.0.1:11434"
UNLOAD_SECONDS = 2.0


def read_addresses() -> list[str]:
    """Return the addresses in OLLAMA_HOST, with what they leave out filled in.

    Raises:
        ParameterError: one is no address.
    """
    addresses = split_addresses(os.environ.get(HOST_VARIABLE, ""))
    for address in addresses:
        check_address(address, HOST_VARIABLE)
    return addresses or [DEFAULT_HOST]


def split_addresses(text: str) -> list[str]:
    """Return the addresses between commas; those without a scheme are of HTTP."""
    parts = [part.strip().rstrip("/") for part in text.split(",")]
    return [part if "://" in part else f"http://{part}" for part in parts if part]


def check_address(address: str, variable: str) -> None:
    """Refuse what an environment variable holds unless it is an address of HTTP."""
    try:
        url = httpx.URL(address)
        valid = url.scheme in {"http", "https"} and bool(url.host)
    except (httpx.InvalidURL, ValueError):
        valid = False
    if not valid:
        raise ParameterError(f"{variable} is not an address", hint=f"set {variable} to http://HOST:PORT")


def check_key(key: str, variable: str) -> None:
    """Refuse the key in an environment variable unless it can be sent."""
    if not fits_header(key):
        raise ParameterError(
            f"{variable} holds a line break or a letter beyond ASCII, which no request can carry",
            hint="set it to the key alone",
        )


def import_ollama() -> ModuleType:
    """Return the library `ollama`, which as it is imported fails where OLLAMA_HOST names several hosts."""
    check_key(os.environ.get(KEY_VARIABLE, ""), KEY_VARIABLE)
    hosts = os.environ.pop(HOST_VARIABLE, None)
    try:
        import ollama
    finally:
        if hosts is not None:
            os.environ[HOST_VARIABLE] = hosts
    return ollama


class OllamaServer:
    """One server; its calls raise Refusal where it refuses, and httpx.TransportError where none answers.

    Args:
        address: may hold a name and a password; the attribute `address`, which errors say, never does.
        silence: seconds that it may say nothing.
        connect: seconds that a connection may take.
    """

    def __init__(self, address: str, *, silence: float, connect: float = 5.0) -> None:
        self._ollama = import_ollama()  # at once: a missing library is told before a missing server
        whole = httpx.URL(address.rstrip("/"))
        self.address = str(whole.copy_with(userinfo=b""))
        self._auth = (whole.username, whole.password) if whole.username else None
        self._timeout = httpx.Timeout(silence, connect=connect)
        self._http = httpx.Client(
            base_url=self.address,
            auth=self._auth,
            timeout=self._timeout,
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        seconds: float,
        tell: Callable[[float], None] | None = None,
    ) -> Any:
        """Return the JSON of an answer."""
        with open_call(self._http, method, path, json=body, seconds=seconds, tell=tell) as answer:
            said = answer.read()
            _check_status(answer.response, said)
        return parse_json(said)

    @contextmanager
    def client(
        self, *, seconds: float, tell: Callable[[float], None] | None = None
    ) -> Iterator[ollama.Client]:
        """Yield Ollama's own client for one call, with the same deadline and bound as any other."""
        transport = BoundedTransport(seconds, tell=tell)
        try:
            with self._ollama.Client(
                self.address, auth=self._auth, timeout=self._timeout, transport=transport, trust_env=False
            ) as client:
                yield client
        except self._ollama.ResponseError as error:
            raise Refusal(error.status_code, error.error) from error
        except ConnectionError as error:
            raise httpx.ConnectError(str(error)) from error
        except ValueError as error:  # a body that is no JSON, or not that of such an answer
            raise httpx.RemoteProtocolError(f"the answer is not JSON: {error}") from error

    @contextmanager
    def stream(
        self, path: str, body: dict[str, Any], *, seconds: float, stop: threading.Event | None = None
    ) -> Iterator[Iterator[dict[str, Any]]]:
        """Yield the parts of an answer, as they come; the server may refuse in the midst of it."""
        with open_call(self._http, "POST", path, json=body, seconds=seconds, stop=stop) as answer:
            if answer.response.status_code != httpx.codes.OK:
                _check_status(answer.response, answer.read())
            yield _read_parts(answer.lines())

    def list_models(self, *, seconds: float) -> list[dict[str, Any]]:
        """Return what the server tells of each of its models, at least `name` and `digest`."""
        found = self.ask("GET", "/api/tags", seconds=seconds)
        try:
            return [
                {**entry, "name": str(entry["name"]), "digest": str(entry["digest"])}
                for entry in found["models"]
            ]
        except (KeyError, TypeError) as error:
            raise httpx.RemoteProtocolError(
                f"the answer is not a list of models: {shorten(repr(found), 200)}"
            ) from error

    def unload(self, model: str) -> None:
        """Let a model go as soon as nobody asks it anything.

        A chat that nobody waits for any more is read to its end before the model answers anything else. Where
        it is the only one, this ends it at once; a failure does no harm.
        """
        with suppress(httpx.HTTPError, Refusal), self.client(seconds=UNLOAD_SECONDS) as client:
            client.generate(model, keep_alive=0)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _check_status(response: httpx.Response, said: bytes) -> None:
    if response.status_code != httpx.codes.OK:
        raise Refusal(response.status_code, said.decode(errors="replace"))


def _read_parts(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    for line in filter(bytes.strip, lines):
        part = parse_json(line)
        if not isinstance(part, dict):
            raise httpx.RemoteProtocolError(
                f"a part of the answer is not a JSON object: {shorten(repr(line), 200)}"
            )
        if "error" in part:
            raise Refusal(httpx.codes.INTERNAL_SERVER_ERROR, str(part["error"]))
        yield part
