"""What goes wrong between us and a real Elasticsearch, made to happen by a proxy before it."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.services.certificates import make_certificates
from tests.services.elastic import Served, indices_of, many_trials, named_by
from tests.services.proxy import Answer, Asked, Proxy, serve
from trialforge.core.errors import RetrievalError
from trialforge.retrieval.elastic_client import API_KEY, CA, HOSTS, PASSWORD, USER
from trialforge.retrieval.query import Query

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

pytestmark = pytest.mark.services
SECRET = "hunter2-never-said"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    with serve(Proxy(elasticsearch_url)) as running:
        yield running


def through(served: Served, proxy: Proxy, **server: object) -> Served:
    return served.at({HOSTS: proxy.url}, **server)


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_server_that_is_down_names_the_command_that_starts_one(served: Served) -> None:
    down = served.at({HOSTS: f"http://127.0.0.1:{closed_port()}"}, retries=1)
    with pytest.raises(RetrievalError, match="does not answer at ELASTICSEARCH_URL") as caught:
        down.ensure()
    assert "docker compose up -d --wait elasticsearch" in str(caught.value.hint)


def test_no_address_names_the_variable(served: Served) -> None:
    with pytest.raises(RetrievalError, match="ELASTICSEARCH_URL is not set") as caught:
        served.at({}).ensure()
    assert "docker compose up" in str(caught.value.hint)


@pytest.mark.parametrize("status", [429, 503])
def test_busy_server_is_asked_again_until_all_is_there(
    served: Served, proxy: Proxy, client: Elasticsearch, alias: str, status: int
) -> None:
    left, lock = [7], threading.Lock()

    def be_busy(asked: Asked) -> Asked | Answer:
        with lock:
            left[0] -= asked.is_bulk
            return Answer(status) if asked.is_bulk and left[0] >= 0 else asked

    proxy.before = be_busy
    assert through(served, proxy, retries=8).ensure() == "built"
    assert client.count(index=alias)["count"] == 200


def test_trials_whose_answer_was_lost_are_sent_again_and_written_once(
    served: Served, proxy: Proxy, client: Elasticsearch
) -> None:
    left, lock = [3], threading.Lock()

    def lose(asked: Asked, answer: Answer) -> Answer:
        with lock:
            left[0] -= asked.is_bulk
            return Answer(503) if asked.is_bulk and left[0] >= 0 else answer

    proxy.after = lose
    assert through(served, proxy, retries=8).ensure() == "built"
    docs = client.indices.stats(index=served.name, metric="docs")["_all"]["primaries"]["docs"]
    assert (docs["count"], docs["deleted"]) == (200, 0)
    query = Query(
        "metformin of adults", "lexical", 20
    )  # words of what was deleted count until it is merged away
    ours, theirs = served.open("embedded").search(query), served.open().search(query)
    assert [hit.lexical_score for hit in ours] == pytest.approx([hit.lexical_score for hit in theirs])


def test_server_that_stays_busy_ends_the_load_and_a_rerun_completes_it(
    served: Served, proxy: Proxy, client: Elasticsearch, alias: str
) -> None:
    proxy.before = lambda asked: Answer(429) if asked.is_bulk and len(proxy.asked) > 12 else asked
    with pytest.raises(RetrievalError, match="HTTP 429") as caught:
        through(served, proxy, retries=1).ensure()
    assert "overloaded" in str(caught.value.hint)
    assert named_by(client, alias) == set()
    proxy.before = lambda asked: asked
    assert through(served, proxy).ensure() == "built"
    assert client.count(index=alias)["count"] == 200


def test_server_that_hangs_is_given_up_after_the_time_that_params_set(served: Served, proxy: Proxy) -> None:
    released = threading.Event()

    def hang(asked: Asked) -> Asked:
        released.wait(10)
        return asked

    proxy.before = hang
    with pytest.raises(RetrievalError, match="did not answer in time") as caught:
        through(served, proxy, timeout=0.2, retries=1).ensure()
    released.set()
    assert "retrieval.elasticsearch.timeout" in str(caught.value.hint)
    assert len(proxy.asked) == 2


LOST_CONTEXT = {"type": "search_phase_execution_exception", "reason": "No search context found for id [1]"}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503),
        Answer(
            404, json.dumps({"error": LOST_CONTEXT, "status": 404}).encode()
        ),  # of a node that was restarted
    ],
    ids=["busy", "restarted"],
)
def test_search_is_asked_again_while_the_server_is_busy(served: Served, proxy: Proxy, answer: Answer) -> None:
    answer.headers["Content-Type"] = "application/json"
    retriever = through(served, proxy).open()
    left = [2]

    def be_busy(asked: Asked) -> Asked | Answer:
        if "_search" not in asked.path:
            return asked
        left[0] -= 1
        return answer if left[0] >= 0 else asked

    proxy.before = be_busy
    assert retriever.search(Query("w17", "lexical", 1))[0].nct_id == "NCT00017"
    assert left[0] == -1


def test_single_trials_that_are_put_off_are_sent_again(
    served: Served, proxy: Proxy, client: Elasticsearch, alias: str
) -> None:
    """Each third trial of a request is not indexed but answered with 429, the first two times it comes."""
    times: dict[str, int] = {}
    held: dict[int, list[int]] = {}
    lock = threading.Lock()

    def hold_back(asked: Asked) -> Asked:
        if not asked.is_bulk:
            return asked
        lines = asked.body.splitlines(keepends=True)
        kept, numbers = [], []
        with lock:
            for number, (action, document) in enumerate(zip(lines[::2], lines[1::2], strict=True)):
                nct_id = json.loads(action)["create"]["_id"]
                times[nct_id] = times.get(nct_id, 0) + 1
                if number % 3 == 2 and times[nct_id] <= 2:
                    numbers.append(number)
                else:
                    kept.append(action + document)
            held[threading.get_ident()] = numbers
        return replace(asked, body=b"".join(kept))

    def put_in(asked: Asked, answer: Answer) -> Answer:
        if not asked.is_bulk:
            return answer
        reply = json.loads(answer.body)
        for number in held[threading.get_ident()]:
            error = {"type": "es_rejected_execution_exception", "reason": "queue is full"}
            reply["items"].insert(number, {"create": {"_id": "?", "status": 429, "error": error}})
            reply["errors"] = True
        return replace(answer, body=json.dumps(reply).encode())

    proxy.before, proxy.after = hold_back, put_in
    assert through(served, proxy).ensure() == "built"
    assert max(times.values()) > 1
    assert client.count(index=alias)["count"] == 200


def test_loader_that_is_killed_leaves_no_alias_and_a_rerun_completes(
    served: Served, proxy: Proxy, client: Elasticsearch, alias: str
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(asked: Asked) -> Asked | Answer:
        if asked.is_bulk and sum(one.is_bulk for one in proxy.asked) > 4:
            reached.set()
            go_on.wait(60)
        return asked

    proxy.before = hold
    params = through(served, proxy).params.model_dump_json()
    code = (
        "import json, os, sys\nfrom pathlib import Path\n"
        "from trialforge.retrieval import elastic_index\n"
        "from trialforge.retrieval.params import RetrievalParams\n"
        "folder, params = Path(sys.argv[1]), RetrievalParams.model_validate_json(sys.argv[2])\n"
        "elastic_index.LEASE_SECONDS = 2\n"
        "manifest = json.loads(folder.with_suffix('.json').read_text())\n"
        "elastic_index.serve_index(folder, manifest, params, os.environ)"
    )
    environment = os.environ | {HOSTS: proxy.url, "PYTHONPATH": str(ROOT / "src")}
    loader = subprocess.Popen([sys.executable, "-c", code, str(served.folder), params], env=environment)
    try:
        assert reached.wait(60)
        assert named_by(client, alias) == set()
        loader.send_signal(signal.SIGKILL)
    finally:
        loader.kill()
        loader.wait()
        go_on.set()
    client.indices.refresh(index=served.name)
    assert 0 < client.count(index=served.name)["count"] < 200
    assert served.ensure() == "rebuilt"
    assert named_by(client, alias) == {served.name}
    assert client.count(index=alias)["count"] == 200


def test_index_that_vanishes_during_the_load_is_not_made_anew_without_its_mapping(
    served: Served, proxy: Proxy, client: Elasticsearch, alias: str
) -> None:
    def wipe(asked: Asked) -> Asked:
        if asked.is_bulk and sum(one.is_bulk for one in proxy.asked) == 4:
            client.indices.delete(index=served.name)
        return asked

    proxy.before = wipe
    assert through(served, proxy).ensure() == "built"
    mapping = client.indices.get_mapping(index=alias)[served.name]["mappings"]
    assert mapping["properties"].keys() == served.manifest["mapping"].keys()
    assert client.count(index=alias)["count"] == 200


def test_index_that_vanishes_again_and_again_is_an_error(
    served: Served, proxy: Proxy, client: Elasticsearch, alias: str
) -> None:
    def wipe(asked: Asked) -> Asked:
        if asked.is_bulk:
            client.indices.delete(index=served.name, ignore_unavailable=True)
        return asked

    proxy.before = wipe
    with pytest.raises(RetrievalError, match="was removed 3 times while it was being loaded"):
        through(served, proxy).ensure()
    assert indices_of(client, alias) == set()


def test_killed_load_of_an_older_pool_is_cleared_away(
    served: Served, proxy: Proxy, client: Elasticsearch, alias: str
) -> None:
    proxy.before = lambda asked: Answer(429) if asked.is_bulk else asked
    with pytest.raises(RetrievalError):
        through(served, proxy, retries=0).ensure()
    other = served.build(many_trials(100))
    other.ensure()
    assert indices_of(client, alias) == {other.name}


def test_dead_host_among_several_does_no_harm(served: Served, client: Elasticsearch, alias: str) -> None:
    hosts = f"http://127.0.0.1:{closed_port()}, {served.environ[HOSTS]}"
    assert served.at({HOSTS: hosts}).ensure() == "built"
    assert client.count(index=alias)["count"] == 200


@pytest.mark.parametrize("number", ["7.17.29", "8.17.9", "10.0.0"])
def test_unsupported_version_is_refused_by_name(served: Served, proxy: Proxy, number: str) -> None:
    def claim(asked: Asked, answer: Answer) -> Answer:
        body = json.loads(answer.body)
        body["version"]["number"] = number
        return replace(answer, body=json.dumps(body).encode()) if asked.path == "/" else answer

    proxy.after = claim
    with pytest.raises(RetrievalError, match=rf"Elasticsearch {number} is not supported; it must be 8\.18"):
        through(served, proxy).ensure()


def test_other_server_is_told_apart(served: Served, proxy: Proxy) -> None:
    proxy.after = lambda _, answer: replace(answer, headers={"Content-Type": "application/json"})
    with pytest.raises(RetrievalError, match="is not Elasticsearch"):
        through(served, proxy).ensure()


ENCODED = base64.b64encode(f"me:{SECRET}".encode()).decode()
CREDENTIALS = {
    "key": ({API_KEY: SECRET}, f"ApiKey {SECRET}"),
    "password": ({USER: "me", PASSWORD: SECRET}, f"Basic {ENCODED}"),
}


def everything_said(caught: pytest.ExceptionInfo[RetrievalError], caplog: pytest.LogCaptureFixture) -> str:
    return caplog.text + "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_secret_is_sent_and_never_said(
    served: Served, proxy: Proxy, client: Elasticsearch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    environ, header = CREDENTIALS[kind]
    proxy.before = lambda asked: asked if asked.headers.get("authorization") == header else Answer(401)
    assert served.at({HOSTS: proxy.url, **environ}).ensure() == "built"
    wrong = {name: value if name == USER else f"{SECRET}-wrong" for name, value in environ.items()}
    with pytest.raises(RetrievalError, match="denies access") as caught:
        served.at({HOSTS: proxy.url, **wrong}).ensure()
    assert f"set {API_KEY}, or {USER} and {PASSWORD}" in str(caught.value.hint)
    said = everything_said(caught, caplog)
    assert SECRET not in said
    assert ENCODED not in said
    kept = served.folder.with_suffix(".json").read_text() + str(client.indices.get(index=served.name))
    assert SECRET not in kept


@pytest.mark.parametrize("address", ["http://me:{}@127.0.0.1:9200", "me:{}@127.0.0.1:9200", "//me:{}@h"])
def test_secret_in_the_address_is_refused_and_not_repeated(
    served: Served, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(RetrievalError, match="holds a password") as caught:
        served.at({HOSTS: address.format(SECRET)}).ensure()
    assert SECRET not in everything_said(caught, caplog)


@pytest.mark.parametrize("address", ["127.0.0.1", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port"])
def test_address_that_is_none_is_shown(served: Served, address: str) -> None:
    with pytest.raises(RetrievalError, match="is not an address"):
        served.at({HOSTS: address}).ensure()


def test_certificate_is_trusted_by_its_authority_alone(
    served: Served, elasticsearch_url: str, tmp_path: Path
) -> None:
    authority, certificate = make_certificates(tmp_path, "ours")
    other, _ = make_certificates(tmp_path, "other")
    with serve(Proxy(elasticsearch_url), certificate) as proxy:
        assert served.at({HOSTS: proxy.url, CA: str(authority)}).ensure() == "built"
        for trusted in ({}, {CA: str(other)}):
            with pytest.raises(RetrievalError, match="certificate of Elasticsearch is not trusted") as caught:
                served.at({HOSTS: proxy.url, **trusted}, retries=0).ensure()
            assert CA in str(caught.value.hint)


def test_authority_that_is_no_file_is_named(served: Served, tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match=f"{CA}: no file"):
        served.at({HOSTS: "https://127.0.0.1:9200", CA: str(tmp_path / "absent.pem")}).ensure()
