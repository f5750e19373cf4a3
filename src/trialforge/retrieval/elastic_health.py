"""How a server is: its clock, where the shards of an index are, and why it hangs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from trialforge.core.errors import RetrievalError
from trialforge.retrieval.elastic_client import disk_error, gone_error, master_error

if TYPE_CHECKING:
    from elastic_transport import ObjectApiResponse
    from elasticsearch import Elasticsearch

SHARD_SECONDS = 10  # that the shards of an index have to find their nodes
COPY_SECONDS = 30  # that their copies have
SERVER_FAULT = 500  # HTTP: this status and those above it
SEARCH_WAITS = (0.0, 0.5, 1.0, 2.0)  # seconds between tries of a search whose nodes die
NEARLY_FULL = 0.01  # share of a disk that is left


def server_seconds(client: Elasticsearch) -> float:
    """Return the server's time, in seconds since 1970."""
    (row,) = client.cat.health(h="epoch", format="json")
    return float(row["epoch"])  # type: ignore[index]  # a row of a table in JSON


def await_shards(client: Elasticsearch, name: str, copies: int = 1) -> int:
    """Return the number of shards of an index, as soon as each lies on a node.

    Copies are waited for too, but an index is used without those that find no node in time.

    Raises:
        RetrievalError: there is no such index, no room for a shard, or no node of those that had it.
    """
    asked, wait = client.options(ignore_status=408), f"{SHARD_SECONDS}s"  # 408: the wait was in vain
    health = asked.cluster.health(
        index=name, level="shards", wait_for_status="yellow", timeout=wait, master_timeout=wait
    )
    if not health["indices"]:
        raise gone_error()
    ((index, state),) = health["indices"].items()  # `name` may be an alias
    if health["status"] == "red":
        raise _explain_red(client, index, state)
    shards = int(state["number_of_shards"])
    if copies > 1:
        wanted = shards * min(copies, int(health["number_of_data_nodes"]))
        asked.options(request_timeout=2 * COPY_SECONDS).cluster.health(
            index=name, wait_for_active_shards=wanted, timeout=f"{COPY_SECONDS}s"
        )
    return shards


def search_shards(client: Elasticsearch, name: str, **query: Any) -> ObjectApiResponse[Any]:
    """Return the answer of all shards to a query; those that lose their node answer from another one.

    Raises:
        RetrievalError: the index is red.
    """
    from elastic_transport import ConnectionError as NoConnectionError
    from elasticsearch import ApiError

    for wait in SEARCH_WAITS:
        try:
            return client.search(index=name, allow_partial_search_results=False, **query)
        except ApiError as error:
            # A node that came back no longer knows what it was asked: 404, but not of an index.
            forgotten = error.meta.status == 404 and error.error == "search_phase_execution_exception"
            if error.meta.status < SERVER_FAULT and not forgotten:
                raise
        except NoConnectionError:  # of the last try: those before it may have been answered by a fault
            pass
        await_shards(client, name)
        time.sleep(wait)
    return client.search(index=name, allow_partial_search_results=False, **query)


def _explain_red(client: Elasticsearch, index: str, state: dict[str, Any]) -> RetrievalError:
    shards = state["shards"].items()
    red = [int(number) for number, shard in shards if not shard["primary_active"]]
    asked = client.options(ignore_status=400)  # the shard has just come back
    told = asked.cluster.allocation_explain(index=index, shard=red[0], primary=True)
    reasons = [
        decider["explanation"]
        for node in told.get("node_allocation_decisions", ())
        for decider in node.get("deciders", ())
    ]
    if full := [reason for reason in reasons if "watermark" in reason]:
        return disk_error(full[0])
    return RetrievalError(
        f"the index {index} is red: {len(red)} of {len(shards)} shards are not on any node. "
        f"{told.get('allocate_explanation', 'They are just coming back')}",
        hint="start the missing nodes; if they are lost, delete the index and run again; with "
        "`retrieval.elasticsearch.replicas` of 1 or more the loss of one node does no harm",
    )


def explain_stall(client: Elasticsearch) -> RetrievalError | None:
    """Return the error of a full disk, if that is why a load failed: such a server may only hang."""
    from elastic_transport import TransportError
    from elasticsearch import ApiError

    asked = client.options(request_timeout=5, max_retries=0)
    try:
        asked.cluster.health(master_timeout="2s")
        nodes = asked.nodes.stats(metric="fs")["nodes"].values()
    except ApiError as error:
        lost = error.error == "master_not_discovered_exception"
        return master_error() if lost else None
    except TransportError:
        return None
    full = [
        f"{node['name']} has {disk['available_in_bytes']:,} bytes left"
        for node in nodes
        if (disk := node["fs"]["total"])["available_in_bytes"] < NEARLY_FULL * disk["total_in_bytes"]
    ]
    return disk_error(", ".join(full)) if full else None
