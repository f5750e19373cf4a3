"""Documents on their way into the server: in chunks, several at a time, each sent again if need be."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

from trialforge.core.errors import RetrievalError
from trialforge.retrieval.elastic_client import explain_refusal

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from trialforge.retrieval.params import ElasticsearchParams

SHOWN_FAILURES = 5
BAD_DOCUMENT = 400  # HTTP: the document's own fault; all others are the server's
THERE_ALREADY = 409  # HTTP: an earlier try wrote it, and its answer was lost


class IndexTakenError(RetrievalError):
    """Another load has the index now."""


class DocumentError(RetrievalError):
    """The server refuses documents for what they are."""


def load_documents(
    client: Elasticsearch, name: str, documents: Iterable[dict[str, Any]], params: ElasticsearchParams
) -> None:
    """Load documents by id; what the server is too busy for, or whose answer was lost, is sent again.

    Each is written once, however often it is sent: words of a document that was written again would count
    twice in the scores, until the server merges the old one away.

    Raises:
        IndexTakenError: the alias `name` is gone.
        DocumentError: the server refuses documents; the first are named.
        RetrievalError: the server is blocked, full, or busy for too long.
    """
    refused: list[dict[str, Any]] = []
    with ThreadPoolExecutor(params.bulk_threads) as pool:
        running: deque[Future[list[dict[str, Any]]]] = deque()
        for chunk in _chunks(documents, params.chunk_size):
            if len(running) > params.bulk_threads:  # the next chunks are made while the server works
                refused += running.popleft().result()
            if any(fault["status"] != BAD_DOCUMENT for fault in refused):
                break
            running.append(pool.submit(_load_chunk, client, name, chunk, params))
        for future in running:
            refused += future.result()
    if refused:
        raise _explain(refused)


def _load_chunk(
    client: Elasticsearch, name: str, chunk: list[dict[str, Any]], params: ElasticsearchParams
) -> list[dict[str, Any]]:
    from elasticsearch.helpers import streaming_bulk

    actions = ({"_op_type": "create", "_index": name, "_id": row["nct_id"], "_source": row} for row in chunk)
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
        ignore_status=THERE_ALREADY,
        require_alias=True,
    )
    return [fault["create"] for _, fault in results if fault["create"]["status"] != THERE_ALREADY]


def _chunks(rows: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    left = iter(rows)
    while chunk := list(islice(left, size)):
        yield chunk


def _explain(refused: list[dict[str, Any]]) -> RetrievalError:
    """Return the error for documents that were refused."""
    for fault in refused:
        error = _error(fault)
        if error.get("type") == "index_not_found_exception":
            return IndexTakenError("the index vanished from Elasticsearch while it was being loaded")
        if fault["status"] != BAD_DOCUMENT:
            return explain_refusal(fault["status"], str(error.get("type")), str(error.get("reason")))
    shown = "; ".join(f"{fault['_id']}: {_error(fault).get('reason')}" for fault in refused[:SHOWN_FAILURES])
    more = f" and {len(refused) - SHOWN_FAILURES} more" if len(refused) > SHOWN_FAILURES else ""
    return DocumentError(
        f"Elasticsearch refuses {len(refused)} documents: {shown}{more}",
        hint="fix these trials, or leave them out of the corpus; the alias still names the old index",
    )


def _error(fault: dict[str, Any]) -> dict[str, Any]:
    error = fault.get("error")
    return error if isinstance(error, dict) else {"reason": error}
