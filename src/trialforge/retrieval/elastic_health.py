"""How a server is: its clock, the shards that it has room for, and why it hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trialforge.core.errors import RetrievalError
from trialforge.retrieval.elastic_client import disk_error

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

SHARD_SECONDS = 10  # that a new index has to find its nodes
NEARLY_FULL = 0.01  # share of a disk that is left


def server_seconds(client: Elasticsearch) -> float:
    """Return the server's time, in seconds since 1970."""
    (row,) = client.cat.health(h="epoch", format="json")
    return float(row["epoch"])  # type: ignore[index]  # a row of a table in JSON


def check_shards(client: Elasticsearch, name: str) -> None:
    """Refuse an index of which a part lies on no node.

    Raises:
        RetrievalError: there is no room for it, or the node that had it is gone.
    """
    asked = client.options(ignore_status=408)  # the answer to a wait that was in vain
    health = asked.cluster.health(
        index=name, level="shards", wait_for_status="yellow", timeout=f"{SHARD_SECONDS}s"
    )
    if health["status"] != "red":
        return
    shards = health["indices"][name]["shards"]
    red = next(int(number) for number, shard in shards.items() if not shard["primary_active"])
    told = client.cluster.allocation_explain(index=name, shard=red, primary=True)
    reasons = [
        decider["explanation"]
        for node in told.get("node_allocation_decisions", ())
        for decider in node.get("deciders", ())
    ]
    if full := [reason for reason in reasons if "watermark" in reason]:
        raise disk_error(full[0])
    raise RetrievalError(
        f"the index {name} is red: {told.get('allocate_explanation')}",
        hint="start the nodes that are missing; if they are lost, delete the index and run again",
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
        return disk_error("it has lost its master, as it does when its disk is full") if lost else None
    except TransportError:
        return None
    full = [
        f"{node['name']} has {disk['available_in_bytes']:,} bytes left"
        for node in nodes
        if (disk := node["fs"]["total"])["available_in_bytes"] < NEARLY_FULL * disk["total_in_bytes"]
    ]
    return disk_error(", ".join(full)) if full else None
