"""The index on the server: built beside what is there, and complete before the alias names it."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trialforge.core.errors import RetrievalError
from trialforge.core.files import read_parquet
from trialforge.retrieval.elastic_client import connect, translated_errors
from trialforge.retrieval.elastic_content import Seal, holds, keep_seal, read_seal, take_seal
from trialforge.retrieval.elastic_health import await_shards, explain_stall, server_seconds
from trialforge.retrieval.elastic_load import DocumentError, IndexTakenError, load_documents
from trialforge.retrieval.elastic_requests import OWNER, make_documents, make_index
from trialforge.retrieval.store import map_vectors

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from trialforge.retrieval.params import ElasticsearchParams, IndexParams

logger = logging.getLogger(__name__)
LoadOutcome = Literal["reused", "built", "rebuilt"]
Documents = Callable[[], Iterable[dict[str, Any]]]
LEASE_SECONDS = 30.0  # a load that has not been heard of for so long is dead
ATTEMPTS = 3


def index_name(params: ElasticsearchParams, index_hash: str) -> str:
    """Return the name of an index: the alias and the hash of all that decides what it holds."""
    return f"{params.alias}-{index_hash[:16]}"


def serve_index(
    folder: Path, manifest: dict[str, Any], params: IndexParams, environ: Mapping[str, str]
) -> tuple[Elasticsearch, str, Seal]:
    """Return a client, and name and seal of the index on its server, loaded from `folder` if need be.

    Raises:
        RetrievalError: the server can't be used.
    """
    client = connect(params.elasticsearch, environ)

    def documents() -> Iterator[dict[str, Any]]:
        yield from make_documents(read_parquet(folder / "documents.parquet"), map_vectors(folder))

    index = ServerIndex(client, manifest, params)
    index.ensure(documents)
    return client, index.load_name, index.seal


class ServerIndex:
    """The index on a server that a manifest describes.

    It belongs to one alias, which its mark names: no other index is ever deleted. The mark also names the
    load that made it. Each load writes by an alias of its own, which vanishes with its index, and the index
    is searched by it: so nothing is written to, or read from, an index that another load put in its place.
    """

    def __init__(self, client: Elasticsearch, manifest: dict[str, Any], params: IndexParams) -> None:
        self._client, self._params = client, params.elasticsearch
        self._mark = {"alias": self._params.alias, "hash": manifest["hash"]}
        self._body = make_index(params, manifest["mapping"], self._mark)
        self.name = index_name(self._params, manifest["hash"])
        self.load_name = ""  # the alias of the load that made it
        self.seal: Seal = {}

    def ensure(self, documents: Documents) -> LoadOutcome:
        """Make the server hold the whole index under the alias, and nothing else in it.

        An index that holds what it must is used as it is. One that another run is loading is waited for. One
        that is partial (a load was killed) or was changed is deleted and built again.

        Raises:
            RetrievalError: a foreign index has the name, or the server refuses documents, is blocked or full.
        """
        with translated_errors():
            self._check_alias()
            for _ in range(ATTEMPTS):
                mark = self._wait_for_load()
                if mark and self._is_finished(mark) and self._is_whole(documents):
                    outcome: LoadOutcome = "reused"
                    break
                lack = "is partial or was changed" if mark else "is not there"
                logger.warning("index %s of Elasticsearch %s: loading the tracked data", self.name, lack)
                with suppress(IndexTakenError):
                    self._load(documents)
                    outcome = "rebuilt" if mark else "built"
                    break
            else:
                raise RetrievalError(
                    f"the index {self.name} was removed {ATTEMPTS} times while it was being loaded",
                    hint="find the other program that writes to Elasticsearch with this alias",
                )
            self._set_copies()
            self._publish()
            self._prune()
        return outcome

    def _read_mark(self) -> dict[str, Any] | None:
        """Return the mark of the index, None if there is no index.

        Raises:
            RetrievalError: another's index has the name.
        """
        found = self._client.indices.get_mapping(index=self.name, ignore_unavailable=True)
        if not found:
            return None
        mark = _mark_of(found.get(self.name, {})) or {}
        if (
            mark.get("hash") != self._mark["hash"]
            or mark.get("alias", self._params.alias) != self._params.alias
        ):
            raise RetrievalError(
                f"Elasticsearch has an index {self.name} that trialforge did not make",
                hint="choose another `retrieval.elasticsearch.alias`",
            )
        return mark

    def _wait_for_load(self) -> dict[str, Any] | None:
        """Return the mark of the index as soon as no other run is loading it; None if there is no index."""
        told = False
        while (mark := self._read_mark()) and mark.get("loading_until", 0) > server_seconds(self._client):
            if not told:
                logger.warning("another run is loading index %s; waiting for it", self.name)
            told = True
            time.sleep(min(1.0, LEASE_SECONDS / 4))
        return mark

    def _is_finished(self, mark: dict[str, Any]) -> bool:
        self.load_name = f"{self.name}-{mark.get('load')}"
        return "load" in mark and "loading_until" not in mark  # else: by an earlier version, or killed

    def _is_whole(self, documents: Documents) -> bool:
        """Return whether the index holds what it must, and keep its seal."""
        seal = take_seal(self._client, self.name)
        if len(seal["writes"]) != self._params.shards:
            return False
        if seal != read_seal(self.name):
            self._client.indices.refresh(index=self.name)  # after the seal: what it counts is read
            read = holds(self._client, self.name, self._body, documents())
            if not read or take_seal(self._client, self.name) != seal:
                return False
            keep_seal(self.name, self._params.alias, seal)
        self.seal = seal
        return True

    def _load(self, documents: Documents) -> None:
        """Build the index anew.

        Raises:
            IndexTakenError: another run came first, or has taken the index over.
        """
        from elastic_transport import TransportError
        from elasticsearch import ApiError, NotFoundError

        load = uuid.uuid4().hex[:12]
        self.load_name = name = f"{self.name}-{load}"
        try:
            self._create(load, name)
            with self._lease(load):
                # With their copies: a node that dies now takes nothing with it.
                await_shards(self._client, self.name, 1 + self._params.replicas)
                load_documents(self._client, name, documents(), self._params)
                self._client.indices.put_settings(index=name, settings={"index.refresh_interval": "1s"})
                self._check_loaded(documents)
            self._write_mark(load)
        except (IndexTakenError, NotFoundError) as error:
            raise IndexTakenError(f"another run is loading index {self.name}") from error
        except (RetrievalError, ApiError, TransportError) as error:
            full = None if isinstance(error, DocumentError) else explain_stall(self._client)
            self._drop(name)
            if full is not None:
                raise full from error
            raise
        except BaseException:  # ctrl-C as well
            self._drop(name)
            raise

    def _check_loaded(self, documents: Documents) -> None:
        if not self._is_whole(documents):
            raise RetrievalError(f"index {self.name} changed while it was being loaded", hint="run again")

    def _create(self, load: str, name: str) -> None:
        from elasticsearch import BadRequestError

        self._client.indices.delete(index=self.name, ignore_unavailable=True)
        body = dict(self._body)
        body["mappings"] = body["mappings"] | {"_meta": {OWNER: self._leased(load)}}
        try:
            # Without waiting for its shards: where they find no room, that is told and not waited for.
            self._client.indices.create(
                index=self.name, aliases={name: {}}, wait_for_active_shards="0", **body
            )
        except BadRequestError as error:
            if error.error != "resource_already_exists_exception":
                raise
            if not self._client.indices.exists_alias(name=name):  # else: the answer to a first try was lost
                raise IndexTakenError(f"another run is loading index {self.name}") from error

    def _drop(self, name: str) -> None:
        """Delete what a load that failed has left, if the server lets us."""
        client = self._client.options(request_timeout=5, max_retries=0)
        with suppress(Exception):
            if client.indices.exists_alias(name=name):
                client.indices.delete(index=self.name)

    @contextmanager
    def _lease(self, load: str) -> Iterator[None]:
        """Say again and again that this load is alive, however slow."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(LEASE_SECONDS / 4):
                with suppress(Exception):  # the load itself will tell what is wrong
                    self._write_mark(load, leased=True)

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _leased(self, load: str) -> dict[str, Any]:
        # By the server's clock, which all runs read alike.
        return self._mark | {"load": load, "loading_until": server_seconds(self._client) + LEASE_SECONDS}

    def _write_mark(self, load: str, *, leased: bool = False) -> None:
        mark = self._leased(load) if leased else self._mark | {"load": load}
        client = self._client.options(max_retries=0) if leased else self._client  # the next renewal is soon
        client.indices.put_mapping(index=f"{self.name}-{load}", meta={OWNER: mark})

    def _check_alias(self) -> None:
        """Refuse an alias that is another's: the name of an index, or of an alias of indices not ours."""
        alias = self._params.alias
        named = self._named(alias)
        taken = not named and self._client.indices.exists(index=alias)
        marks = [_mark_of(self._client.indices.get_mapping(index=name)[name]) for name in named]
        if taken or any(mark is None or mark.get("alias", alias) != alias for mark in marks):
            raise RetrievalError(
                f"`retrieval.elasticsearch.alias`: {alias!r} names an index that trialforge did not make",
                hint="choose another alias",
            )

    def _named(self, alias: str) -> set[str]:
        found = self._client.options(ignore_status=404).indices.get_alias(name=alias)
        return set(found) if found.meta.status == 200 else set()

    def _set_copies(self) -> None:
        """Let an index that was made with another number of copies have what the parameters say."""
        wanted, setting = str(self._params.replicas), "index.number_of_replicas"
        found = self._client.indices.get_settings(index=self.name, name=setting, flat_settings=True)
        if found[self.name]["settings"].get(setting) != wanted:
            self._client.indices.put_settings(index=self.name, settings={setting: wanted})

    def _publish(self) -> None:
        """Name the index, and no other, by the alias, in one step."""
        alias = self._params.alias
        if self._named(alias) != {self.name}:
            others = {"index": f"{alias}-*", "alias": alias, "must_exist": False}
            self._client.indices.update_aliases(
                actions=[{"remove": others}, {"add": {"index": self.name, "alias": alias}}]
            )

    def _prune(self) -> None:
        """Delete complete indices of the alias beyond the newest, and loads that were killed."""
        found = self._client.indices.get(index=f"{self._params.alias}-*")
        marks = {name: _mark_of(state["mappings"]) or {} for name, state in found.items()}
        ours = [
            name
            for name, mark in marks.items()
            if mark.get("alias") == self._params.alias and name != self.name
        ]
        born = {name: int(found[name]["settings"]["index"]["creation_date"]) for name in ours}
        newest = sorted((name for name in ours if "loading_until" not in marks[name]), key=born.__getitem__)[
            ::-1
        ]
        now = server_seconds(self._client)
        killed = [name for name in ours if marks[name].get("loading_until", now) < now]
        for name in [*newest[self._params.keep_indices - 1 :], *killed]:
            self._client.indices.delete(index=name, ignore_unavailable=True)


def _mark_of(mappings: Mapping[str, Any]) -> dict[str, Any] | None:
    mark = mappings.get("mappings", mappings).get("_meta", {}).get(OWNER)
    return mark if isinstance(mark, dict) else None
