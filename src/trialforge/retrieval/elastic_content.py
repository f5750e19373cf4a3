"""What an index on the server really holds: every document is read back, with its vector, and compared.

Names, marks and counts are easily right where the content is not. What was found equal gets a seal: the
server numbers the writes of an index, so while neither the index nor these numbers are others, nothing was
written, and nothing need be read again. Seals are kept here, not on the server, where whoever forges an index
could forge them too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trialforge.core.errors import DiskError, RetrievalError
from trialforge.core.files import write_json
from trialforge.retrieval.elastic_health import await_shards, search_shards

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

SEALS = Path(".trialforge/elasticsearch.json")
PAGE = 500  # documents read at once
SEAL_TRIES = 10
_STATED = [
    f"indices.*.{name}"
    for name in (
        "uuid",
        "shards.*.routing.primary",
        "shards.*.seq_no.max_seq_no",
        "shards.*.commit.user_data.history_uuid",
    )
]
Seal = dict[str, Any]


def take_seal(client: Elasticsearch, name: str) -> Seal:
    """Return what changes with every write: the identity of the index and the last write of each shard.

    Raises:
        RetrievalError: the index is red, or kept changing.
    """
    for _ in range(SEAL_TRIES):
        shards = await_shards(client, name)
        stated = client.indices.stats(index=name, metric="docs", level="shards", filter_path=_STATED)
        index = stated.get("indices", {}).get(name, {"shards": {}})
        writes = {
            number: [copy["commit"]["user_data"]["history_uuid"], copy["seq_no"]["max_seq_no"]]
            for number, copies in index["shards"].items()
            for copy in copies
            if copy["routing"]["primary"] and "commit" in copy
        }
        if len(writes) == shards:  # else a node died meanwhile, and another takes its shards over
            return {"uuid": index["uuid"], "writes": writes}
    raise RetrievalError(
        f"the index {name} kept changing, as nodes of Elasticsearch came and went", hint="run again"
    )


def last_write(seal: Seal) -> int:
    """Return the highest number of a write that a seal knows."""
    return max(int(number) for _, number in seal["writes"].values())


def read_seal(name: str) -> Seal | None:
    """Return the seal that this checkout has for an index; None if it has none, or none that can be read."""
    try:
        seal = json.loads(SEALS.read_text(encoding="utf-8"))[name]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return seal if isinstance(seal, dict) else None


def keep_seal(name: str, alias: str, seal: Seal) -> None:
    """Keep the seal of an index in place of those of the alias; without a place for it, it is read again."""
    kept: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        kept = json.loads(SEALS.read_text(encoding="utf-8"))
    others = kept.items() if isinstance(kept, dict) else ()
    seals = {other: old for other, old in others if other.rpartition("-")[0] != alias}
    with suppress(DiskError):
        write_json(seals | {name: seal}, SEALS)


def holds(
    client: Elasticsearch, name: str, body: dict[str, Any], documents: Iterable[dict[str, Any]]
) -> bool:
    """Return whether an index was made by `body` and has exactly these documents, which come sorted by id.

    It is so only if nobody writes meanwhile: the seal must be the same before and after.
    """
    return _made_by(client, name, body) and all(
        _equal(hit, document) for hit, document in zip_longest(_read(client, name), documents)
    )


def _made_by(client: Elasticsearch, name: str, body: dict[str, Any]) -> bool:
    state = client.indices.get(index=name)[name]
    settings, stated = state["settings"]["index"], body["settings"]
    found, wanted = dict(state["mappings"]), body["mappings"]
    properties, vector = dict(found.pop("properties")), wanted["properties"]["vector"]
    found.pop("_meta", None)
    return bool(
        # What the server reads of texts by other names than its own would be another index.
        "analysis" not in settings
        and settings["number_of_shards"] == str(stated["number_of_shards"])
        and _plain(settings.get("similarity")) == _plain(stated["similarity"])
        and found == {part: wanted[part] for part in ("dynamic", "_source")}
        and _includes(properties.pop("vector", None), vector)  # newer servers add to it
        and properties == {field: kind for field, kind in wanted["properties"].items() if field != "vector"}
    )


def _plain(value: Any) -> Any:
    """Return a setting with its numbers as such: the server gives them back as texts."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    with suppress(ValueError, TypeError):
        return float(value)
    return value


def _includes(found: Any, stated: Any) -> bool:
    if not isinstance(stated, dict):
        return bool(found == stated)
    return isinstance(found, dict) and all(_includes(found.get(name), part) for name, part in stated.items())


def _read(client: Elasticsearch, name: str) -> Iterator[dict[str, Any] | None]:
    """Yield the documents by id: `_id`, `_version`, `_source`, and `fields` with the vector; None for a lack.

    Not by a point in time: it dies with the nodes that it stands on, where a page is read from any copy.
    """
    after, count = None, 0
    while True:
        page = search_shards(
            client,
            name,
            size=PAGE,
            sort="nct_id",
            search_after=after,
            docvalue_fields=[{"field": "vector"}],
            version=True,
            track_total_hits=True,
        )
        hits = page["hits"]["hits"]
        yield from hits
        count += len(hits)
        if len(hits) < PAGE:
            if count != page["hits"]["total"]["value"]:  # several with one `nct_id`, over the end of a page
                yield None
            return
        after = hits[-1]["sort"]


def _equal(hit: dict[str, Any] | None, document: dict[str, Any] | None) -> bool:
    if hit is None or document is None:
        return False
    values = {name: value for name, value in document.items() if name != "vector"}
    stored = hit.get("fields", {}).get("vector", [])  # a list of one vector, empty where there is none
    wanted = [document["vector"]] if "vector" in document else []
    return (
        hit["_id"] == document["nct_id"]
        and hit["_version"] == 1  # written once: else the words of its older form may count as well
        and hit["_source"] == values
        and np.array_equal(np.asarray(stored, dtype=np.float32), np.asarray(wanted, dtype=np.float32))
    )
