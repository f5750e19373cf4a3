"""The index on the server: built beside what is there, and complete before the alias names it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trialforge.core.errors import RetrievalError
from trialforge.core.files import read_parquet
from trialforge.retrieval.elastic_client import connect, translated_errors
from trialforge.retrieval.elastic_requests import OWNER, make_documents, make_index, make_mark
from trialforge.retrieval.store import map_vectors

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from trialforge.retrieval.params import ElasticsearchParams, IndexParams

logger = logging.getLogger(__name__)
Outcome = Literal["reused", "built", "rebuilt"]
SHOWN_FAILURES = 5


def index_name(params: ElasticsearchParams, index_hash: str) -> str:
    """Return the name of an index: the alias and the hash of all that decides what it holds."""
    return f"{params.alias}-{index_hash[:16]}"


def serve_index(
    folder: Path, manifest: dict[str, Any], params: IndexParams, environ: Mapping[str, str]
) -> tuple[Elasticsearch, str]:
    """Return a client and the name of the index on its server, which is loaded from `folder` if need be.

    Raises:
        RetrievalError: the server can't be used.
    """
    client = connect(params.elasticsearch, environ)
    ensure_index(client, manifest, params, _stored_documents(folder))
    return client, index_name(params.elasticsearch, manifest["hash"])


def loading_alias(name: str) -> str:
    """Return the name by which an index is known while it is loaded."""
    return f"{name}-loading"


def ensure_index(
    client: Elasticsearch, manifest: dict[str, Any], params: IndexParams, documents: Iterable[dict[str, Any]]
) -> Outcome:
    """Make the server hold the whole index that the manifest describes, under the alias.

    A complete index of the same hash is used as it is, and `documents` are not read. One that is partial
    (a load was killed) or has another count is deleted and built again. While it is loaded it has a name
    of its own, its loading alias, which vanishes with it: so nothing is ever written beside it. Other
    indices and their aliases are never touched.

    Raises:
        RetrievalError: a foreign index has the name, or the server refuses documents.
    """
    settings, index_hash, trials = params.elasticsearch, manifest["hash"], manifest["trials"]
    name = index_name(settings, index_hash)
    with translated_errors():
        _check_alias(client, settings.alias)
        state = _inspect(client, name, index_hash, trials)
        if state != "complete":
            lack = "holds only a part of" if state == "partial" else "has no"
            logger.warning("Elasticsearch %s index %s: it is loaded from the tracked data", lack, name)
            if state == "partial":
                client.indices.delete(index=name)
            body = make_index(params, manifest["mapping"], index_hash)
            client.indices.create(index=name, aliases={loading_alias(name): {}}, **body)
            load_documents(client, loading_alias(name), documents, settings)
            _finish(client, name, index_hash, trials)
        _switch_alias(client, settings.alias, name)
        _prune(client, settings, name)
    return {"complete": "reused", "absent": "built", "partial": "rebuilt"}[state]  # type: ignore[return-value]


def load_documents(
    client: Elasticsearch, name: str, documents: Iterable[dict[str, Any]], params: ElasticsearchParams
) -> None:
    """Load documents by id, in chunks, several at a time; what the server is too busy for is sent again.

    Raises:
        RetrievalError: it refuses documents; the first are named.
    """
    refused: list[dict[str, Any]] = []
    with ThreadPoolExecutor(params.bulk_threads) as pool:
        running: deque[Future[list[dict[str, Any]]]] = deque()
        for chunk in _chunks(documents, params.chunk_size):
            if len(running) > params.bulk_threads:  # the next chunks are made while the server works
                refused += running.popleft().result()
            running.append(pool.submit(_load_chunk, client, name, chunk, params))
        for future in running:
            refused += future.result()
    if any(_error(fault).get("type") == "index_not_found_exception" for fault in refused):
        raise RetrievalError(
            "the index vanished from Elasticsearch while it was loaded",
            hint="run again, and let one run at a time load it",
        )
    if refused:
        shown = "; ".join(
            f"{fault['_id']}: {_error(fault).get('reason')}" for fault in refused[:SHOWN_FAILURES]
        )
        more = f" and {len(refused) - SHOWN_FAILURES} more" if len(refused) > SHOWN_FAILURES else ""
        raise RetrievalError(
            f"Elasticsearch refuses {len(refused)} documents: {shown}{more}",
            hint="mend these trials, or leave them out of the corpus; the alias still names the old index",
        )


def _load_chunk(
    client: Elasticsearch, name: str, chunk: list[dict[str, Any]], params: ElasticsearchParams
) -> list[dict[str, Any]]:
    from elasticsearch.helpers import streaming_bulk

    actions = ({"_op_type": "index", "_index": name, "_id": row["nct_id"], "_source": row} for row in chunk)
    results = streaming_bulk(
        client,
        actions,
        chunk_size=len(chunk),
        max_retries=params.retries,  # the client's default gives up at the first full queue
        initial_backoff=params.backoff,
        max_backoff=params.max_backoff,
        retry_on_status=(429, 503),
        raise_on_error=False,
        yield_ok=False,
        require_alias=True,
    )
    return [fault["index"] for _, fault in results]


def _stored_documents(folder: Path) -> Iterator[dict[str, Any]]:
    yield from make_documents(read_parquet(folder / "documents.parquet"), map_vectors(folder))


def _chunks(rows: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    left = iter(rows)
    while chunk := list(islice(left, size)):
        yield chunk


def _error(fault: dict[str, Any]) -> dict[str, Any]:
    error = fault.get("error")
    return error if isinstance(error, dict) else {"reason": error}


def _mark(client: Elasticsearch, name: str) -> dict[str, Any] | None:
    found = client.indices.get_mapping(index=name)[name]["mappings"].get("_meta", {}).get(OWNER)
    return found if isinstance(found, dict) else None


def _inspect(
    client: Elasticsearch, name: str, index_hash: str, trials: int
) -> Literal["absent", "partial", "complete"]:
    if not client.indices.exists(index=name):
        return "absent"
    mark = _mark(client, name)
    if mark is None or mark["hash"] != index_hash:
        raise RetrievalError(
            f"Elasticsearch has an index {name} that is not of trialforge",
            hint="choose another `retrieval.elasticsearch.alias`",
        )
    whole = mark["complete"] and client.count(index=name)["count"] == trials
    return "complete" if whole else "partial"


def _named(client: Elasticsearch, alias: str) -> set[str]:
    return set(client.indices.get_alias(name=alias)) if client.indices.exists_alias(name=alias) else set()


def _check_alias(client: Elasticsearch, alias: str) -> None:
    """Refuse an alias that is another's: the name of an index, or of an alias of indices not ours."""
    taken = client.indices.exists(index=alias) and not client.indices.exists_alias(name=alias)
    if taken or any(_mark(client, name) is None for name in _named(client, alias)):
        raise RetrievalError(
            f"`retrieval.elasticsearch.alias`: {alias!r} already names an index that is not of trialforge",
            hint="choose another alias",
        )


def _finish(client: Elasticsearch, name: str, index_hash: str, trials: int) -> None:
    client.indices.put_settings(index=name, settings={"index.refresh_interval": "1s"})
    client.indices.refresh(index=name)
    count = client.count(index=name)["count"]
    if count != trials:
        raise RetrievalError(
            f"Elasticsearch holds {count} of {trials} trials after the load", hint="run again"
        )
    client.indices.put_mapping(index=name, meta=make_mark(index_hash, complete=True))


def _switch_alias(client: Elasticsearch, alias: str, name: str) -> None:
    """Name the index by the alias and by no other name, in one step."""
    named = _named(client, alias)
    old = [{"remove": {"index": other, "alias": alias}} for other in sorted(named - {name})]
    loading = [
        {"remove": {"index": other, "alias": loading_alias(name)}}
        for other in _named(client, loading_alias(name))
    ]
    if old or loading or name not in named:
        client.indices.update_aliases(actions=[*old, *loading, {"add": {"index": name, "alias": alias}}])


def _prune(client: Elasticsearch, params: ElasticsearchParams, current: str) -> None:
    """Delete the oldest complete indices of ours beyond `keep_indices`, and older loads that were killed."""
    found = client.indices.get(index=f"{params.alias}-*")
    born = {name: int(state["settings"]["index"]["creation_date"]) for name, state in found.items()}
    marks = {name: state["mappings"].get("_meta", {}).get(OWNER) for name, state in found.items()}
    others = [name for name in sorted(born, key=lambda name: (-born[name], name)) if name != current]
    complete = [name for name in others if marks[name] and marks[name]["complete"]]
    killed = [
        name for name in others if marks[name] and not marks[name]["complete"] and born[name] < born[current]
    ]
    for name in [*complete[params.keep_indices - 1 :], *killed]:
        client.indices.delete(index=name)
