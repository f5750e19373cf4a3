"""The connection to Elasticsearch: its address and secrets come from the environment, and stay there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from trialforge.core.errors import RetrievalError
from trialforge.core.secrets import fits_header

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

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

    hosts = split_hosts(environ)
    if not hosts:
        raise RetrievalError(f"`retrieval.backend` is elasticsearch, but {HOSTS} is not set", hint=START)
    client = Elasticsearch(
        [_checked(host) for host in hosts],
        **_credentials(environ, secure=all(host.startswith("https:") for host in hosts)),
        node_class=_compatible_node(),
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
        version = str(client.info()["version"]["number"])
    if not OLDEST <= tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < BEYOND:
        client.close()
        raise RetrievalError(
            f"Elasticsearch {version} is not supported: it must be {'.'.join(map(str, OLDEST))} or newer, "
            f"and below {BEYOND[0]}",
            hint=START,
        )
    return client


def split_hosts(environ: Mapping[str, str]) -> list[str]:
    """Return the addresses that the environment names, in its order."""
    return [host.strip() for host in environ.get(HOSTS, "").split(",") if host.strip()]


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
            hint="raise `retrieval.elasticsearch.timeout`, or look at the server's load",
        ) from error
    except elastic_transport.TransportError as error:
        raise RetrievalError(f"Elasticsearch does not answer at {HOSTS}", hint=START) from error
    except (elasticsearch.AuthenticationException, elasticsearch.AuthorizationException) as error:
        raise RetrievalError(
            f"Elasticsearch refuses entry (HTTP {error.meta.status})",
            hint=f"set {API_KEY}, or {USER} and {PASSWORD}, to what the server expects",
        ) from error
    except elasticsearch.UnsupportedProductError as error:
        raise RetrievalError(f"what answers at {HOSTS} is not Elasticsearch", hint=START) from error
    except elasticsearch.NotFoundError as error:
        raise RetrievalError(
            "the index is gone from Elasticsearch", hint="run again: it is rebuilt from the tracked data"
        ) from error
    except elasticsearch.ApiError as error:
        busy = error.meta.status in _BUSY
        raise RetrievalError(
            f"Elasticsearch answers HTTP {error.meta.status}: {error.message}",
            hint="it is overloaded: wait, or raise `retrieval.elasticsearch.retries`" if busy else None,
        ) from error


def _credentials(environ: Mapping[str, str], *, secure: bool) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if key := environ.get(API_KEY):
        if not fits_header(key):
            raise RetrievalError(
                f"{API_KEY} holds a line break or a letter beyond ASCII, which no request can carry",
                hint="set it to the key alone",
            )
        given["api_key"] = key
    elif user := environ.get(USER):
        given["basic_auth"] = (user, environ.get(PASSWORD, ""))
    if secure and (path := environ.get(CA)):
        if not Path(path).is_file():
            raise RetrievalError(f"{CA}: no file {path}", hint="set it to the PEM file of the server's CA")
        given["ca_certs"] = path
    return given


def _checked(host: str) -> str:
    if "@" in host:  # before anything is said about the address: it may hold a secret
        raise RetrievalError(f"{HOSTS} holds a password", hint=f"set {USER} and {PASSWORD} instead")
    try:
        parts = urlsplit(host)
        valid = parts.scheme in {"http", "https"} and parts.hostname
        port = parts.port or (443 if parts.scheme == "https" else 9200)
    except ValueError:
        valid = None
    if not valid:
        raise RetrievalError(f"{HOSTS} is no address: {host!r}", hint="write it as http://HOST:PORT")
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path}"


def _compatible_node() -> type[Any]:
    """Return a node that speaks the protocol of version 8, which 8 and 9 both understand."""
    from elastic_transport import HttpHeaders, Urllib3HttpNode

    class CompatibleNode(Urllib3HttpNode):
        def perform_request(  # type: ignore[override]
            self, method: str, target: str, body: Any = None, headers: Any = None, **rest: Any
        ) -> Any:
            spoken = {
                name: value.replace("compatible-with=9", "compatible-with=8")
                for name, value in (headers or {}).items()
            }
            return super().perform_request(method, target, body=body, headers=HttpHeaders(spoken), **rest)

    return CompatibleNode
