"""The connection to Elasticsearch: its address and secrets come from the environment, and stay there."""

from __future__ import annotations

import math
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from trialforge.core.bounded_http import open_call
from trialforge.core.errors import RetrievalError
from trialforge.core.ollama_client import check_key

if TYPE_CHECKING:
    from elasticsearch import ApiError, Elasticsearch

    from trialforge.retrieval.params import ElasticsearchParams

HOSTS, API_KEY, USER, PASSWORD, CA = (
    "ELASTICSEARCH_URL",  # one address, or several with commas between them
    "ELASTICSEARCH_API_KEY",
    "ELASTICSEARCH_USERNAME",
    "ELASTICSEARCH_PASSWORD",
    "ELASTICSEARCH_CA_CERTS",  # path of a PEM file
)
START = f"start one: docker compose up -d --wait elasticsearch; then export {HOSTS}=http://127.0.0.1:9200"
OLDEST, BEYOND = (8, 18), (10, 0)  # the versions between them are supported
_BUSY = (429, 502, 503, 504)


def connect(params: ElasticsearchParams, environ: Mapping[str, str]) -> Elasticsearch:
    """Return a client of a server that answers and is new enough.

    Raises:
        RetrievalError: there is no address, no answer, no right to enter, or an unsupported version.
    """
    from elasticsearch import Elasticsearch, OrjsonSerializer

    if "@" in environ.get(HOSTS, ""):  # before anything is said about an address: it may hold a secret
        raise RetrievalError(f"{HOSTS} holds a password", hint=f"set {USER} and {PASSWORD} instead")
    hosts = [host.strip() for host in environ.get(HOSTS, "").split(",") if host.strip()]
    if not hosts:
        raise RetrievalError(f"`retrieval.backend` is elasticsearch, but {HOSTS} is not set", hint=START)
    client = Elasticsearch(
        [_checked(host) for host in hosts],
        **_credentials(environ, secure=all(host.startswith("https:") for host in hosts)),
        node_class=_bounded_node(),
        serializers={"application/json": OrjsonSerializer()},
        request_timeout=params.timeout,
        max_retries=params.retries,
        retry_on_timeout=True,
        retry_on_status=_BUSY,
        retry_backoff_base=params.backoff,
        retry_backoff_cap=params.max_backoff,
        sniff_on_start=params.sniff,
        sniff_on_node_failure=params.sniff,
    )
    with translated_errors():
        found = client.info().body
    try:
        version = str(found["version"]["number"])
    except (KeyError, TypeError) as error:
        raise RetrievalError(f"what answers at {HOSTS} is not Elasticsearch", hint=START) from error
    if not OLDEST <= tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < BEYOND:
        client.close()
        raise RetrievalError(
            f"Elasticsearch {version} is not supported; it must be {'.'.join(map(str, OLDEST))} or newer, "
            f"and below {BEYOND[0]}",
            hint=START,
        )
    return client


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the client's exceptions into errors that say what to do; no address or secret is repeated."""
    import elastic_transport
    import elasticsearch

    try:
        yield
    except elastic_transport.TlsError as error:
        raise RetrievalError(
            "the certificate of Elasticsearch is not trusted", hint=f"set {CA} to the PEM file of its CA"
        ) from error
    except elastic_transport.ConnectionTimeout as error:
        raise RetrievalError(
            "Elasticsearch did not answer in time",
            hint="raise `retrieval.elasticsearch.timeout`, or check the load and disk of the server",
        ) from error
    except elastic_transport.TransportError as error:
        raise RetrievalError(f"Elasticsearch does not answer at {HOSTS}", hint=START) from error
    except elasticsearch.UnsupportedProductError as error:
        raise RetrievalError(f"what answers at {HOSTS} is not Elasticsearch", hint=START) from error
    except elasticsearch.ApiError as error:
        raise explain_refusal(error.meta.status, *_told(error)) from error


def explain_refusal(status: int, kind: str, reason: str) -> RetrievalError:
    """Return the error for what the server refused: HTTP status, type of its error, and its reason."""
    if kind == "cluster_block_exception" and "flood-stage" in reason:
        return disk_error("a disk has passed its flood-stage watermark")
    if kind == "cluster_block_exception":
        return RetrievalError(
            f"Elasticsearch is blocked: {reason}",
            hint="set the block (`cluster.blocks` or `index.blocks`) to null, then run again",
        )
    if "no space left" in reason.lower():
        return disk_error(reason)
    if kind == "master_not_discovered_exception":
        return master_error()
    if status in (401, 403):
        return RetrievalError(
            f"Elasticsearch denies access (HTTP {status})",
            hint=f"set {API_KEY}, or {USER} and {PASSWORD}, to what the server expects",
        )
    if status == 404:
        return gone_error()
    overloaded = "it is overloaded: wait, or raise `retrieval.elasticsearch.retries`"
    return RetrievalError(
        f"Elasticsearch answers HTTP {status}: {kind}: {reason}",
        hint=overloaded if status in _BUSY else None,
    )


def disk_error(why: str) -> RetrievalError:
    """Return the error of a server that can write no more."""
    return RetrievalError(
        f"Elasticsearch can't write any more: {why}",
        hint="free space on the server's disk or add a node, then run again; the alias names the old index",
    )


def gone_error() -> RetrievalError:
    """Return the error of an index that somebody has deleted."""
    return RetrievalError(
        "Elasticsearch no longer has the index", hint="run again: it is rebuilt from the tracked data"
    )


def master_error() -> RetrievalError:
    """Return the error of a cluster in which fewer nodes than a majority are left, or can write."""
    return RetrievalError(
        "Elasticsearch can't write any more: its cluster has no master; nodes are missing, or a disk is full",
        hint="start the missing nodes, or free space on the server's disk, then run again",
    )


def _told(error: ApiError) -> tuple[str, str]:
    """Return type and reason of an error as the server told them."""
    told = error.body.get("error") if isinstance(error.body, dict) else None
    if not isinstance(told, dict):
        return str(error.message), str(told or "no reason given")
    causes = [told.get("caused_by"), *told.get("root_cause", ())]
    reasons = [told.get("reason"), *(cause.get("reason") for cause in causes if cause)]
    return str(told.get("type")), next(filter(None, reasons), "no reason given")


def _credentials(environ: Mapping[str, str], *, secure: bool) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if key := environ.get(API_KEY):
        check_key(key, API_KEY)
        given["api_key"] = key
    elif user := environ.get(USER):
        given["basic_auth"] = (user, environ.get(PASSWORD, ""))
    if secure and (path := environ.get(CA)):
        if not Path(path).is_file():
            raise RetrievalError(f"{CA}: no file {path}", hint="set it to the PEM file of the server's CA")
        given["ca_certs"] = path
    return given


def _checked(host: str) -> str:
    try:
        parts = urlsplit(host)
        valid = parts.scheme in {"http", "https"} and parts.hostname
        port = parts.port or (443 if parts.scheme == "https" else 9200)
    except ValueError:
        valid = None
    if not valid:
        raise RetrievalError(f"{HOSTS} is not an address: {host!r}", hint="write it like http://HOST:PORT")
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path}"


def _bounded_node() -> type[Any]:
    """Return a node whose requests have a deadline and a bound, as the library's own have not.

    It speaks the protocol of version 8, which 8 and 9 both understand.
    """
    import elastic_transport as transport
    from elastic_transport.client_utils import DEFAULT, client_meta_version

    class BoundedNode(transport.BaseNode):
        _CLIENT_META_HTTP_CLIENT = ("hx", client_meta_version(httpx.__version__))

        def __init__(self, config: transport.NodeConfig) -> None:
            super().__init__(config)
            self._http = httpx.Client(
                base_url=self.base_url,
                verify=ssl.create_default_context(cafile=config.ca_certs) if config.ca_certs else True,
                limits=httpx.Limits(max_keepalive_connections=0),
                trust_env=False,
            )

        def perform_request(
            self,
            method: str,
            target: str,
            body: bytes | None = None,
            headers: transport.HttpHeaders | None = None,
            request_timeout: Any = DEFAULT,
        ) -> Any:
            plain = {"connection": "close", "accept-encoding": "identity"}
            spoken = {
                name: value.replace("compatible-with=9", "compatible-with=8")
                for name, value in {**self.headers, **(headers or {}), **plain}.items()
            }
            asked = self.config.request_timeout if request_timeout is DEFAULT else request_timeout
            seconds = math.inf if asked is None else float(asked)
            start = time.monotonic()
            call = open_call(
                self._http, method, target, seconds=seconds, timeout=asked, content=body, headers=spoken
            )
            try:
                with call as answer:
                    said, response = answer.read(), answer.response
            except httpx.TimeoutException as error:
                raise transport.ConnectionTimeout(str(error), errors=(error,)) from error
            except httpx.TransportError as error:
                untrusted = isinstance(error.__cause__ and error.__cause__.__context__, ssl.SSLError)
                kind = transport.TlsError if untrusted else transport.ConnectionError
                raise kind(str(error), errors=(error,)) from error
            passed = time.monotonic() - start
            known = transport.HttpHeaders(response.headers)
            meta = transport.ApiResponseMeta(response.status_code, "1.1", known, passed, self.config)
            return transport.TransportApiResponse(meta, said)

        def close(self) -> None:
            self._http.close()

    return BoundedNode
