"""One server that speaks OpenAI's API: where it may be, what it tells of its models, and its chat."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import httpx

from trialforge.core.bounded_http import BoundedTransport, Refusal
from trialforge.core.errors import GenerationError, ParameterError
from trialforge.core.ollama_client import check_address, check_key, split_addresses
from trialforge.core.secrets import shorten
from trialforge.llm.hosts import Host
from trialforge.llm.params import LlmParams

if TYPE_CHECKING:
    import openai

ADDRESS_VARIABLE = "LLM_BASE_URL"
KEY_VARIABLE = "LLM_API_KEY"
PUBLIC_VARIABLE = "LLM_ALLOW_PUBLIC"
EXAMPLE = f"set {ADDRESS_VARIABLE} to the address of a server, such as http://127.0.0.1:8080/v1"
OF_THE_CALL = {
    "context": "raise the context of the server and llm.context_tokens, or show fewer or shorter exemplars",
    "exceed": "raise the context of the server and llm.context_tokens, or show fewer or shorter exemplars",
    "memory": "choose a smaller model, or give the server less context",
}
_CLOSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
_NOT_OF_THE_MODEL = frozenset({"object", "created", "permission", "max_model_len"})


def read_addresses(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the addresses in LLM_BASE_URL; none of them is public, unless LLM_ALLOW_PUBLIC is 1.

    Raises:
        ParameterError: there is none, one is no address, or one is public.
    """
    addresses = split_addresses(environ.get(ADDRESS_VARIABLE, ""))
    if not addresses:
        raise ParameterError(f"llm.backend is openai, but {ADDRESS_VARIABLE} is not set", hint=EXAMPLE)
    for address in addresses:
        check_address(address, ADDRESS_VARIABLE)
        if environ.get(PUBLIC_VARIABLE) != "1" and (public := find_public(httpx.URL(address).host)):
            raise ParameterError(
                f"{ADDRESS_VARIABLE}: {address} is public ({public}): prompts would leave your network",
                hint=f"name a server of your own, or set {PUBLIC_VARIABLE}=1 if prompts may leave it",
            )
    return addresses


def find_public(host: str) -> str | None:
    """Return an address of a host that anybody can reach; None if it has none, or no address at all."""
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return None  # nothing can be sent there either
    for text in sorted(found):
        address = ipaddress.ip_address(text.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if address.is_global or address.is_multicast:
            return text
    return None


@dataclass(slots=True)
class Reply:
    """One streamed answer: its text, what the server counted, and what it told of each token."""

    text: str = ""
    finish: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    tokens: list[Any] = field(default_factory=list)
    fingerprint: str = ""

    @property
    def prompt_tokens(self) -> int | None:
        """Tokens of the prompt that the server read, None if it does not say."""
        return _count(self.usage, "prompt_tokens")

    @property
    def cached_tokens(self) -> int:
        """How many of them it had read before, as far as it says."""
        details = self.usage.get("prompt_tokens_details")
        return _count(details, "cached_tokens") or 0

    @property
    def completion_tokens(self) -> int:
        """Tokens of the answer, as far as the server says."""
        return _count(self.usage, "completion_tokens") or 0


def _count(told: Any, name: str) -> int | None:
    count = told.get(name) if isinstance(told, dict) else None
    return count if isinstance(count, int) else None


class OpenAIHost(Host):
    """A server at an address that ends, with most servers, in `/v1`, and what has been found out about it.

    Who holds `asking` finds out more: whether it was `checked`, and which settings it has `heeded`.

    Raises:
        ParameterError: LLM_API_KEY can't be sent.
    """

    kind = "the server"
    hints = OF_THE_CALL

    def __init__(self, address: str, params: LlmParams) -> None:
        whole = httpx.URL(address)
        super().__init__(str(whole.copy_with(userinfo=b"")), params)
        self.asking = threading.Lock()
        self.checked = False
        self.heeded: dict[str, bool] = {}
        self._login = (whole.username, whole.password) if whole.username else None
        self._timeout = httpx.Timeout(params.read_seconds, connect=params.connect_seconds)
        self._key = os.environ.get(KEY_VARIABLE) or "none"
        check_key(self._key, KEY_VARIABLE)

    def read_entry(self) -> dict[str, Any]:
        """Return what the server tells of the model `llm.model`.

        Raises:
            HostDown: the server does not answer.
            GenerationError: it has no such model, or refuses.
        """
        try:
            with self._client(None) as client:
                listed = client.get("/models", cast_to=object)
        except Refusal as refusal:
            if refusal.status == httpx.codes.NOT_FOUND:
                raise GenerationError(
                    f"{self.name} lists no models: {refusal}",
                    hint=f"{ADDRESS_VARIABLE} must be the address before /models and /chat; most end in /v1",
                ) from refusal
            if not self._is_of_the_call(refusal):
                raise self.fail(refusal) from refusal
            raise self.refused(refusal) from refusal
        except httpx.TransportError as error:
            raise self.fail(error) from error
        try:
            entries = {str(entry["id"]): dict(entry) for entry in cast("Any", listed)["data"]}
        except (KeyError, TypeError, ValueError) as error:
            raise GenerationError(
                f"{self.name} does not speak OpenAI's API: instead of a list of models, it sent "
                f"{shorten(repr(listed), 200)}",
                hint=EXAMPLE,
            ) from error
        if self._params.model not in entries:
            have = ", ".join(sorted(entries)) or "none"
            raise GenerationError(
                f"{self.name} has no model {self._params.model}; it has: {have}",
                hint="set llm.model to one of them, or have the server load it",
            )
        return entries[self._params.model]

    def chat(self, body: Mapping[str, Any], stop: threading.Event) -> Reply:
        """Return a whole answer."""
        return self.ask_again(lambda: self._chat(body, stop), stop)

    def say(self, body: Mapping[str, Any], stop: threading.Event) -> str | None:
        """Return the text of an answer, None if the server refuses what the call asks for."""

        def ask() -> str | None:
            try:
                return self._chat(body, stop).text
            except Refusal as refusal:
                if refusal.status in {httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY}:
                    return None
                raise

        return self.ask_again(ask, stop)

    def refused(self, refusal: Refusal) -> GenerationError:
        """Return the error that says what the server did not like, a call or its key."""
        if refusal.status in _CLOSED:
            return GenerationError(
                f"{self.name} does not accept the key: {refusal}", hint=f"set {KEY_VARIABLE} to its key"
            )
        return super().refused(refusal)

    def _chat(self, body: Mapping[str, Any], stop: threading.Event) -> Reply:
        import openai

        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        # Parts as plain JSON: to make an object of each takes ten times as long, for every token.
        with (
            self._client(stop) as client,
            client.post(
                "/chat/completions", body=asked, cast_to=object, stream=True, stream_cls=openai.Stream[object]
            ) as parts,
        ):
            return read_parts(parts)

    @contextmanager
    def _client(self, stop: threading.Event | None) -> Iterator[openai.OpenAI]:
        """Yield OpenAI's own client for one call, with a deadline and a bound as any other call has."""
        import openai

        transport = BoundedTransport(self._params.call_seconds, stop=stop)
        try:
            with httpx.Client(transport=transport, auth=self._login, trust_env=False) as http:
                yield openai.OpenAI(
                    base_url=self.address,
                    api_key=self._key,
                    organization="",  # that of the environment is for OpenAI alone
                    project="",
                    timeout=cast("Any", self._timeout),
                    max_retries=0,
                    http_client=cast("Any", http),
                )
        except openai.APIStatusError as error:
            raise Refusal(error.status_code, read_refusal(error.body)) from error
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, httpx.TransportError):
                raise error.__cause__ from None
            raise httpx.RemoteProtocolError(str(error.__cause__ or error)) from error
        except openai.APIError as error:
            raise Refusal(httpx.codes.INTERNAL_SERVER_ERROR, read_refusal(error.body)) from error
        except (ValueError, RecursionError, httpx.DecodingError) as error:
            raise httpx.RemoteProtocolError(f"the answer is not JSON: {error}") from error


def read_parts(parts: Iterable[object]) -> Reply:
    """Return the answer that its parts make up.

    Raises:
        httpx.RemoteProtocolError: it broke off, or a part is none of an answer.
    """
    reply, pieces = Reply(), []
    for part in parts:
        try:
            told = cast("dict[str, Any]", part)
            for choice in told.get("choices") or ():
                pieces.append((choice.get("delta") or {}).get("content") or "")
                reply.finish = choice.get("finish_reason") or reply.finish
                reply.tokens += (choice.get("logprobs") or {}).get("content") or ()
            reply.usage = dict(told.get("usage") or reply.usage)
            reply.fingerprint = str(told.get("system_fingerprint") or reply.fingerprint)
        except (AttributeError, TypeError, ValueError) as error:
            raise httpx.RemoteProtocolError(f"not a part of an answer: {shorten(repr(part), 200)}") from error
    if reply.finish is None:
        raise httpx.RemoteProtocolError("the answer broke off")
    reply.text = "".join(map(str, pieces))
    return reply


def read_refusal(body: object) -> str:
    """Return the words of a refusal, in whichever form the server puts them."""
    if isinstance(body, dict):
        return str(body.get("message") or body.get("error") or body)
    return str(body or "")


def identify(entry: Mapping[str, Any], revision: str | None, name: str) -> dict[str, Any]:
    """Return all that tells a model from another under its name.

    A name does not say which weights it stands for. llama.cpp tells their number and size, some servers a
    digest; vLLM, SGLang, LM Studio and Ollama tell nothing.

    Args:
        entry: what the server tells of the model.
        revision: `llm.revision`.
        name: the server's, for the error.

    Raises:
        GenerationError: neither the server nor `revision` tells.
    """
    told = {key: value for key, value in entry.items() if key not in _NOT_OF_THE_MODEL}
    if isinstance(meta := told.get("meta"), dict):
        told["meta"] = {key: value for key, value in meta.items() if key != "n_ctx"}
    telling = ("meta", "digest", "sha256", "revision", "model_sha")
    if revision is None and not any(told.get(key) for key in telling):
        raise GenerationError(
            f"{name} identifies {entry['id']} only by name",
            hint="set llm.revision to the commit or hash of its weights, which keeps their answers apart",
        )
    return {"told": told, "revision": revision}


def told_context(entry: Mapping[str, Any]) -> int | None:
    """Return the tokens of context that the server tells of, by vLLM's name for it or llama.cpp's."""
    meta = entry.get("meta")
    told = entry.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
    return told if isinstance(told, int) else None
