"""The index on the server: built beside what is there, and complete before the alias names it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from trialforge.errors import RetrievalError
from trialforge.retrieval.elastic_client import translated_errors
from trialforge.retrieval.elastic_requests import OWNER, make_documents, make_index, make_mark

if TYPE_CHECKING:
    import polars as pl
    from elasticsearch import Elasticsearch

    from trialforge.embedding.encoder import Matrix
    from trialforge.retrieval.params import ElasticsearchParams, RetrievalParams

logger = logging.getLogger(__name__)
Outcome = Literal["reused", "built", "rebuilt"]
SHOWN_FAILURES = 5


def index_name(params: ElasticsearchParams, index_hash: str) -> str:
    """Return the name of an index: the alias and the hash of all that decides what it holds."""
    return f"{params.alias}-{index_hash[:16]}"


def ensure_index(
    client: Elasticsearch,
    manifest: dict[str, Any],
    params: RetrievalParams,
    documents: pl.DataFrame,
    vectors: Matrix,
) -> Outcome:
    """Make the server hold the whole index that the manifest describes, under the alias.

    A complete index of the same hash is used as it is. One that is partial (a load was killed) or has
    another count is deleted and built again. Other indices and their aliases are never touched.

    Raises:
        RetrievalError: a foreign index has the name, or the server refuses documents.
    """
    settings, index_hash = params.elasticsearch, manifest["hash"]
    name = index_name(settings, index_hash)
    with translated_errors():
        _check_alias(client, settings.alias)
        state = _inspect(client, name, index_hash, documents.height)
        if state != "complete":
            if state == "partial":
                logger.warning("the index %s on the server is not complete: it is built again", name)
                client.indices.delete(index=name)
            client.indices.create(index=name, **make_index(params, manifest["mapping"], index_hash))
            load_documents(client, name, make_documents(documents, vectors), settings)
            _finish(client, name, index_hash, documents.height)
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
    if refused:
        shown = "; ".join(f"{fault['_id']}: {_reason(fault)}" for fault in refused[:SHOWN_FAILURES])
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
    )
    return [fault["index"] for _, fault in results]


def _chunks(rows: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    left = iter(rows)
    while chunk := list(islice(left, size)):
        yield chunk


def _reason(fault: dict[str, Any]) -> str:
    error = fault.get("error")
    return str(error.get("reason", error)) if isinstance(error, dict) else str(error)


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
    named = _named(client, alias)
    if named == {name}:
        return
    old = [{"remove": {"index": other, "alias": alias}} for other in sorted(named - {name})]
    client.indices.update_aliases(actions=[*old, {"add": {"index": name, "alias": alias}}])


def _prune(client: Elasticsearch, params: ElasticsearchParams, current: str) -> None:
    """Delete the oldest complete indices of ours beyond `keep_indices`, never the current one."""
    found = client.indices.get(index=f"{params.alias}-*")
    ours = {
        name: int(state["settings"]["index"]["creation_date"])
        for name, state in found.items()
        if (state["mappings"].get("_meta", {}).get(OWNER) or {}).get("complete") and name != current
    }
    newest = sorted(ours, key=lambda name: (-ours[name], name))
    for name in newest[params.keep_indices - 1 :]:
        client.indices.delete(index=name)
