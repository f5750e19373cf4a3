"""A server that is blocked or has no room: each has an error of its own, and what to do about it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from tests.services.elastic import Served, indices_of, many_trials, named_by, serve_small
from tests.services.own_server import OwnServer, install, started
from tests.services.proxy import Asked, Proxy, serve
from trialforge.core.errors import RetrievalError
from trialforge.retrieval.elastic_client import HOSTS

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]
MARKS = [f"cluster.routing.allocation.disk.watermark.{name}" for name in ("low", "high", "flood_stage")]
LOW_MARKS = "\n".join(f"{mark}: 1b" for mark in MARKS)


@pytest.mark.parametrize(
    ("block", "message", "hint"),
    [
        ("write", r"Elasticsearch is blocked: .*index write", "set the block"),
        ("read_only", r"Elasticsearch is blocked: .*index read-only", "set the block"),
        ("read_only_allow_delete", "can't write any more: .*flood-stage", "free space on the server's disk"),
    ],
)
def test_block_that_falls_in_the_middle_of_a_load(
    served: Served,
    client: Elasticsearch,
    elasticsearch_url: str,
    alias: str,
    block: str,
    message: str,
    hint: str,
) -> None:
    served.build(many_trials(150)).ensure()
    (old,) = named_by(client, alias)

    def fall(asked: Asked) -> Asked:
        if asked.is_bulk and sum(one.is_bulk for one in proxy.asked) == 3:
            client.indices.put_settings(index=served.name, settings={f"index.blocks.{block}": True})
        return asked

    with (
        serve(Proxy(elasticsearch_url, before=fall)) as proxy,
        pytest.raises(RetrievalError, match=message) as caught,
    ):
        served.build(many_trials(200)).at({HOSTS: proxy.url}).ensure()
    assert hint in str(caught.value.hint)
    assert named_by(client, alias) == {old}
    if served.name in indices_of(client, alias):  # a block of all changes also keeps it from being deleted
        client.indices.put_settings(index=served.name, settings={f"index.blocks.{block}": None})
        client.indices.delete(index=served.name)
    assert served.ensure() == "built"


@pytest.fixture(scope="module")
def small_server(
    shared_data: Path,
    elasticsearch_url: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OwnServer]:
    """A server whose data lie on a disk of 24 MB."""
    server = install(shared_data, tmp_path_factory.mktemp("small") / "services", LOW_MARKS)
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(server.data)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        with started(server):
            yield server
    finally:
        subprocess.run(["umount", "-l", str(server.data)], check=False)


def set_cluster(server: OwnServer, settings: dict[str, object]) -> None:
    with Elasticsearch(server.url) as client:
        client.cluster.put_settings(persistent=settings)


def test_cluster_that_is_read_only(small_server: OwnServer, tmp_path: Path) -> None:
    served = serve_small(tmp_path / "index", "pool", small_server.url).build(many_trials(50))
    set_cluster(small_server, {"cluster.blocks.read_only": True})
    with pytest.raises(RetrievalError, match=r"Elasticsearch is blocked: .*cluster read-only") as caught:
        served.ensure()
    assert "`cluster.blocks`" in str(caught.value.hint)
    set_cluster(small_server, {"cluster.blocks.read_only": None})
    assert served.ensure() == "built"


def test_index_that_finds_no_room(small_server: OwnServer, tmp_path: Path) -> None:
    served = serve_small(tmp_path / "index", "room", small_server.url).build(many_trials(50))
    set_cluster(small_server, dict(zip(MARKS, ("900tb", "900tb", "1b"), strict=True)))
    with pytest.raises(RetrievalError, match=r"can't write any more: .*watermark") as caught:
        served.ensure()
    assert "free space on the server's disk" in str(caught.value.hint)
    set_cluster(small_server, dict.fromkeys(MARKS, "1b"))
    assert served.ensure() == "built"


def test_disk_that_is_full(small_server: OwnServer, tmp_path: Path) -> None:
    """The last test on this server: it does not recover by itself."""
    served = serve_small(tmp_path / "index", "full", small_server.url, retries=1).build(many_trials(600))
    with suppress(OSError), (small_server.data / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    with pytest.raises(RetrievalError, match="can't write any more") as caught:
        served.ensure()
    assert "free space on the server's disk" in str(caught.value.hint)
