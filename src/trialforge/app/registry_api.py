"""A polite client of the registry's API v2: one request per second, waits when asked to, retries."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from trialforge.core.bounded_http import LongAnswer, open_call
from trialforge.core.errors import IngestError
from trialforge.core.ollama_client import check_address
from trialforge.core.secrets import shorten
from trialforge.ingest.ctgov_json import load_json
from trialforge.ingest.raw import RecordError

REGISTRY_URL = "https://clinicaltrials.gov"
CALL_SECONDS = 600.0
MAX_PAGE_BYTES = 256 * 2**20  # a page of 1,000 studies can have 50 MB
_LONGEST_WAIT = 600.0


class _TransientError(Exception):
    """A request failed, perhaps for a moment; `wait` is the wait that the server asks for, in seconds."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class TokenError(IngestError):
    """The registry no longer knows the token of the next page: the query must start again."""


class NotFoundError(IngestError):
    """The registry has nothing at an address."""


class Version(NamedTuple):
    """The version of the registry's API, and the date of its data."""

    api: str
    data: str


class RegistryApi:
    """A client of the registry.

    Args:
        url: the server, without a path.
        interval: the smallest number of seconds between two requests.
        attempts: how often a request is tried.
        sleep: a function that waits for a number of seconds.
        tell: called with messages while the registry is slow.
    """

    def __init__(
        self,
        url: str = REGISTRY_URL,
        *,
        interval: float = 1.0,
        attempts: int = 6,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[str], None] = lambda _words: None,
    ) -> None:
        check_address(url, "REGISTRY_URL")
        self._url = url.rstrip("/")
        self._interval = interval
        self._attempts = attempts
        self._sleep = sleep
        self._tell = tell
        self._next_start = 0.0
        agent = {"User-Agent": "trialforge (clinical trial research; one request a second)"}
        self._client = httpx.Client(
            timeout=httpx.Timeout(60.0, connect=20.0),
            headers=agent,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def version(self) -> Version:
        """Return the current versions of the API and the data."""
        found = self.get("/api/v2/version")
        try:
            return Version(str(found["apiVersion"]), str(found["dataTimestamp"]))
        except (KeyError, TypeError) as error:
            raise IngestError(
                f"{self._url} is not a registry with API v2: its version is {shorten(repr(found), 200)}"
            ) from error

    def page(
        self, query: Mapping[str, str], size: int, token: str | None
    ) -> tuple[list[Any], str | None, int | None]:
        """Return the studies of one page, the token of the next (None at the end) and the total if given.

        Raises:
            TokenError: the registry no longer knows the token.
            IngestError: the query is refused, or the registry can't be reached.
        """
        asked = {**query, "format": "json", "pageSize": str(size), "countTotal": "false" if token else "true"}
        found = self.get("/api/v2/studies", asked | ({"pageToken": token} if token else {}))
        studies = found.get("studies") if isinstance(found, dict) else None
        if not isinstance(studies, list):
            raise IngestError(
                f"{self._url} did not answer with a list of studies: {shorten(repr(found), 200)}"
            )
        following = found.get("nextPageToken")
        total = found.get("totalCount")
        # A full page always announces a next one; an empty page is the end, whatever it announces.
        return (
            studies,
            following if studies and following else None,
            total if isinstance(total, int) else None,
        )

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return the JSON at an address.

        Raises:
            NotFoundError: there is nothing at the address.
            TokenError: the registry no longer knows the token of the query.
            IngestError: the request is refused, or the registry can't be reached.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(_TransientError),
            stop=stop_after_attempt(self._attempts),
            wait=_wait_for,
            sleep=self._sleep,
            before_sleep=self._tell_attempt,
            reraise=True,
        )
        try:
            return retrying(self._get_once, path, query or {})
        except _TransientError as error:
            raise IngestError(
                f"{self._url}{path} failed {self._attempts} times; the last error was: {error}",
                hint="run the same command again later: what was fetched is kept",
            ) from error

    def _get_once(self, path: str, query: Mapping[str, str]) -> Any:
        self._wait_turn()
        call = open_call(
            self._client,
            "GET",
            self._url + path,
            params=dict(query),
            seconds=CALL_SECONDS,
            max_bytes=MAX_PAGE_BYTES,
            tell=lambda passed: self._tell(f"waiting for a complete answer for {passed:.0f} s"),
        )
        try:
            with call as answer:
                response, content = answer.response, answer.read()
        except LongAnswer as error:
            raise IngestError(f"{self._url} is not a registry: {error}") from error
        except httpx.TransportError as error:
            raise _TransientError(f"{type(error).__name__}: {error}") from error
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            raise _TransientError(f"HTTP {response.status_code}", _retry_after(response))
        if response.status_code != httpx.codes.OK:
            gone = response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE)
            kind = NotFoundError if gone else IngestError
            if "pageToken" in query and (gone or response.status_code == httpx.codes.BAD_REQUEST):
                kind = TokenError
            said = shorten(content.decode(errors="replace"), 200)
            raise kind(f"the registry refuses {response.url}: HTTP {response.status_code} {said}")
        try:
            return load_json(content)
        except RecordError as error:
            raise _TransientError(f"the answer is not JSON: {error}") from error

    def _tell_attempt(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        attempt = f"attempt {state.attempt_number + 1} of {self._attempts}"
        self._tell(f"{self._url}: {error}; {attempt} in {state.upcoming_sleep:.0f} s")

    def _wait_turn(self) -> None:
        wait = self._next_start - time.monotonic()
        if wait > 0:
            self._sleep(wait)
        self._next_start = time.monotonic() + self._interval


def _wait_for(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    backoff = min(60.0, 2.0 ** (state.attempt_number - 1))
    told = error.wait if isinstance(error, _TransientError) else None
    if told is not None and told > _LONGEST_WAIT:
        raise IngestError(
            f"the registry asks to wait {told:.0f} seconds", hint="run the same command again after that time"
        )
    return backoff if told is None else max(told, 0.0)


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of a Retry-After header, which may be a number or a date."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None
