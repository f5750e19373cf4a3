"""No server, however it behaves, holds a call longer or sends more than the call may take."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.trickling_server import HEAD, TRICKLES, answering, flood, slow_body, slow_headers, slow_lines
from trialforge.app.doctor import examine
from trialforge.core.bounded_http import HungUp, LateAnswer, LongAnswer, open_call, read_json
from trialforge.core.errors import GenerationError, RetrievalError
from trialforge.embedding import ollama as embedding
from trialforge.embedding.ollama import OllamaEncoder
from trialforge.llm.ollama import OllamaGenerator
from trialforge.llm.ollama_host import OllamaHost
from trialforge.llm.openai import OpenAIGenerator
from trialforge.llm.openai_host import OpenAIHost
from trialforge.llm.params import LlmParams
from trialforge.retrieval.elastic_client import HOSTS, connect
from trialforge.retrieval.params import ElasticsearchParams

PAUSE = 0.05
pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # a call that is not bounded would never end


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0)) as made:
        yield made


@pytest.mark.parametrize("trickle", TRICKLES)
def test_a_server_that_trickles_is_left_at_the_deadline(
    client: httpx.Client, trickle: Callable[[], Iterator[bytes]]
) -> None:
    with answering(trickle, PAUSE) as address, pytest.raises(LateAnswer, match=r"longer than 0\.5 s"):
        read_json(client, "GET", f"http://{address}/", seconds=0.5)


def test_an_answer_without_an_end_is_left_at_its_bound(client: httpx.Client) -> None:
    with answering(flood) as address, pytest.raises(LongAnswer, match="longer than 67108864 bytes"):
        read_json(client, "GET", f"http://{address}/", seconds=60)


@pytest.mark.parametrize("trickle", TRICKLES)
def test_a_call_ends_when_it_is_told_to(client: httpx.Client, trickle: Callable[[], Iterator[bytes]]) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with answering(trickle, PAUSE) as address, pytest.raises(HungUp):
        read_json(client, "GET", f"http://{address}/", seconds=60, stop=stop)


def test_a_long_wait_is_told(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trialforge.core.bounded_http.TELL_SECONDS", 0.2)
    told: list[float] = []
    with answering(slow_lines, PAUSE) as address, pytest.raises(LateAnswer):
        read_json(client, "GET", f"http://{address}/", seconds=1, tell=told.append)
    assert told == sorted(told)
    assert len(told) >= 2


SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_only_a_line_feed_ends_a_line(client: httpx.Client, separator: str) -> None:
    sent = f"one{separator}line\nand\r another".encode()
    with (
        answering(lambda: [HEAD, sent[:4], sent[4:]], PAUSE) as address,
        open_call(client, "GET", f"http://{address}/", seconds=30) as answer,
    ):
        assert list(answer.lines()) == sent.split(b"\n")


@pytest.mark.parametrize("body", [b'{"models": [', b"\x1f\x8b no gzip", b"[" * 100_000, b"\xff"], ids=repr)
def test_what_is_no_json_is_a_fault_of_the_connection(client: httpx.Client, body: bytes) -> None:
    with (
        answering(lambda: [HEAD, body]) as address,
        pytest.raises(httpx.RemoteProtocolError, match="not JSON"),
    ):
        read_json(client, "GET", f"http://{address}/", seconds=30)


def test_what_can_not_be_unpacked_is_a_fault_of_the_connection(client: httpx.Client) -> None:
    head = HEAD[:-2] + b"Content-Encoding: gzip\r\n\r\n"
    with answering(lambda: [head, b"no gzip"]) as address, pytest.raises(httpx.RemoteProtocolError):
        read_json(client, "GET", f"http://{address}/", seconds=30)


@pytest.mark.parametrize("trickle", [*TRICKLES, flood])
def test_a_host_of_ollama_that_trickles_or_floods_is_no_host(trickle: Callable[[], Iterator[bytes]]) -> None:
    params = LlmParams(backend="ollama", model="m", call_seconds=0.5)
    pause = 0 if trickle is flood else PAUSE
    with answering(trickle, pause) as address, pytest.raises(GenerationError, match="no Ollama host answers"):
        OllamaGenerator(params, [f"http://{address}"])


def test_a_chat_without_an_end_is_given_up() -> None:
    with answering(slow_lines, PAUSE) as address:
        host = OllamaHost(f"http://{address}", LlmParams(call_seconds=0.5))
        with pytest.raises(GenerationError, match=r"did not end within 0\.5 s\n.*llm\.call_seconds"):
            host.chat({"model": "m"}, threading.Event())
        host.close()


def test_a_chat_that_floods_is_given_up() -> None:
    with answering(flood) as address:
        host = OllamaHost(f"http://{address}", LlmParams())
        with pytest.raises(GenerationError, match=r"invalid answer: .* longer than"):
            host.chat({"model": "m"}, threading.Event())
        host.close()


@pytest.mark.parametrize("trickle", [*TRICKLES, flood])
def test_a_server_of_openais_api_that_trickles_or_floods_is_no_server(
    trickle: Callable[[], Iterator[bytes]],
) -> None:
    params = LlmParams(backend="openai", model="m", call_seconds=0.5)
    pause = 0 if trickle is flood else PAUSE
    with answering(trickle, pause) as address, pytest.raises(GenerationError, match="no LLM server answers"):
        OpenAIGenerator(params, [f"http://{address}/v1"])


def slow_events() -> Iterator[bytes]:
    """Events that never end."""
    yield HEAD
    yield from itertools.repeat(b'data: {"choices": []}\n\n')


@pytest.mark.parametrize("trickle", [slow_headers, slow_body, slow_events])
def test_a_chat_by_openais_api_without_an_end_is_given_up(trickle: Callable[[], Iterator[bytes]]) -> None:
    with answering(trickle, PAUSE) as address:
        host = OpenAIHost(f"http://{address}/v1", LlmParams(call_seconds=0.5))
        with pytest.raises(GenerationError, match=r"did not end within 0\.5 s\n.*llm\.call_seconds"):
            host.chat({"model": "m"}, threading.Event())


def test_a_chat_by_openais_api_that_floods_is_given_up() -> None:
    with answering(flood) as address:
        host = OpenAIHost(f"http://{address}/v1", LlmParams())
        with pytest.raises(GenerationError, match=r"invalid answer: .* longer than"):
            host.chat({"model": "m"}, threading.Event())


@pytest.mark.parametrize("trickle", TRICKLES)
def test_a_chat_by_openais_api_ends_when_it_is_told_to(trickle: Callable[[], Iterator[bytes]]) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with answering(trickle, PAUSE) as address:
        host = OpenAIHost(f"http://{address}/v1", LlmParams())
        with pytest.raises(GenerationError, match="the run ended before this answer did"):
            host.chat({"model": "m"}, stop)


@pytest.mark.parametrize("trickle", [*TRICKLES, flood])
def test_embeddings_that_trickle_or_flood_are_given_up(
    trickle: Callable[[], Iterator[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "ANSWER_SECONDS", 0.5)
    pause = 0 if trickle is flood else PAUSE
    with answering(trickle, pause) as address:
        monkeypatch.setenv("OLLAMA_HOST", address)
        with pytest.raises(RetrievalError, match="not answer"):
            OllamaEncoder("m", 32, 1).encode(["text"])


@pytest.mark.parametrize("trickle", [*TRICKLES, flood])
def test_elasticsearch_that_trickles_or_floods_is_given_up(trickle: Callable[[], Iterator[bytes]]) -> None:
    floods = trickle is flood
    params = ElasticsearchParams(timeout=60 if floods else 0.5, retries=1)
    with (
        answering(trickle, 0 if floods else PAUSE) as address,
        pytest.raises(RetrievalError, match="does not answer" if floods else "did not answer in time"),
    ):
        connect(params, {HOSTS: f"http://{address}"})


@pytest.mark.parametrize("trickle", [*TRICKLES, flood])
def test_doctor_does_not_wait_for_a_server_that_trickles_or_floods(
    trickle: Callable[[], Iterator[bytes]], tmp_path: Path
) -> None:
    with answering(trickle, 0 if trickle is flood else PAUSE) as address:
        found = examine(tmp_path, {"llm": {"backend": "ollama", "model": "m"}}, {"OLLAMA_HOST": address})
    (ollama,) = [finding for finding in found if finding.name == "ollama"]
    assert ollama.state == "fault"
    assert "does not answer" in ollama.detail
