"""What may go wrong with a real Ollama: it dies, is slow, is old, is another's, or its model is replaced."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from tests.ollama_model import MODEL
from tests.services.relay import relay_to
from tests.unit.llm.asking import SCHEMA, ask
from trialforge.core.errors import GenerationError
from trialforge.llm.calls import CachedGenerator, CallCache, hash_call
from trialforge.llm.ollama import OllamaGenerator
from trialforge.llm.params import LlmParams

DEAD = "http://127.0.0.1:9"
REQUESTS = [
    ask(f"{seed} is the number of a trial of aspirin. " * 3, seed=seed, max_tokens=16) for seed in range(6)
]
STORIES = [
    ask(f"Tell a long story of number {seed}. " * 4, seed=seed, schema=None, max_tokens=12)
    for seed in range(6)
]
pytestmark = pytest.mark.services


def load(*addresses: str, model: str = MODEL, **params: Any) -> OllamaGenerator:
    settings = {"backend": "ollama", "model": model, "context_tokens": 512, "slots": 2, **params}
    return OllamaGenerator(LlmParams(**settings), addresses)


def test_server_that_dies_in_mid_answer_ends_the_run_which_then_goes_on(
    ollama_host: str, tmp_path: Path
) -> None:
    path = tmp_path / "calls.sqlite"
    done: list[int] = []
    with relay_to(ollama_host, parts_left=40) as relay:
        generator = CachedGenerator(load(relay.address), CallCache(path))
        with pytest.raises(GenerationError, match=r"no Ollama host answers .*\n.*run again to continue"):
            done.extend(index for index, _ in generator.complete(STORIES))
        generator.close()
    assert 0 < len(done) < len(STORIES)
    with relay_to(ollama_host) as relay:
        generator = CachedGenerator(load(relay.address), CallCache(path))
        answers = dict(generator.complete(STORIES))
        generator.close()
    assert relay.chats == len(STORIES) - len(done)
    assert sorted(answers) == list(range(len(STORIES)))
    assert {index for index, answer in answers.items() if answer.from_cache} == set(done)


def test_calls_of_a_host_that_dies_in_mid_answer_go_to_another(ollama_host: str) -> None:
    with relay_to(ollama_host, parts_left=20) as dying, relay_to(ollama_host) as living:
        generator = load(dying.address, living.address, slots=1)
        answers = dict(generator.complete(REQUESTS))
        generator.close()
    assert sorted(answers) == list(range(len(REQUESTS)))
    for completion in answers.values():
        if completion.finish_reason == "stop":
            jsonschema.validate(json.loads(completion.text), SCHEMA)
    assert dying.parts_left < 0
    assert living.chats >= len(REQUESTS) - 2


@pytest.mark.full
def test_one_dead_host_of_three_is_left_out_and_the_others_share_the_load(ollama_host: str) -> None:
    with relay_to(ollama_host) as one, relay_to(ollama_host) as other:
        generator = load(one.address, DEAD, other.address)
        assert len(list(generator.complete(REQUESTS))) == len(REQUESTS)
        generator.close()
    assert one.chats + other.chats == len(REQUESTS)
    assert min(one.chats, other.chats) >= 2


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("read_seconds", r"said nothing for 0\.5 s\n.*llm\.read_seconds"),
        ("call_seconds", r"did not end within 0\.5 s\n.*llm\.call_seconds"),
    ],
)
def test_answer_that_takes_too_long_is_given_up(ollama_host: str, limit: str, message: str) -> None:
    # Long enough to list the models on a busy machine, too short to load one and read so long a prompt.
    generator = load(ollama_host, context_tokens=4096, **{limit: 0.5})
    long = ask(f"Tell a story of {uuid.uuid4()}. " + "Be slow. " * 1100, schema=None, max_tokens=400)
    with contextlib.closing(generator), pytest.raises(GenerationError, match=message):
        list(generator.complete([long]))


def loaded(host: str) -> list[str]:
    """The models that the server holds."""
    found = httpx.get(f"{host}/api/ps", timeout=60, trust_env=False).json()
    return [entry["name"] for entry in found["models"]]


def test_model_of_a_chat_that_is_given_up_is_let_go(
    ollama_host: str, own_model: Callable[[str], str]
) -> None:
    """Else the server reads the prompt to its end, and every other call for that model waits behind it."""
    name = own_model("Be slow.")
    load(ollama_host, model=name, context_tokens=4096).count_tokens(ask().messages)
    assert f"{name}:latest" in loaded(ollama_host)
    generator = load(ollama_host, model=name, context_tokens=4096, slots=4, call_seconds=3)
    long = "Be very slow. " * 700
    with contextlib.closing(generator), pytest.raises(GenerationError, match="did not end within 3 s"):
        list(generator.complete([ask(f"{seed} {long}", seed=seed) for seed in range(4)]))
    deadline = time.monotonic() + 15  # of the minutes that four such prompts take
    while f"{name}:latest" in loaded(ollama_host) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert f"{name}:latest" not in loaded(ollama_host)


def say_version(path: str, value: Any) -> Any:
    return {"version": "0.17.0"} if path == "/api/version" else value


def say_remote(path: str, value: Any) -> Any:
    if path == "/api/tags":
        for entry in value["models"]:
            entry["remote_host"] = "https://ollama.com:443"
    return value


@pytest.mark.parametrize(
    ("rewrite", "message"),
    [
        (say_version, r"is '0\.17\.0', but 0\.17\.1 or later is needed"),
        (say_remote, "is a cloud model: prompts would leave this machine"),
    ],
)
def test_server_too_old_and_model_elsewhere_are_refused_before_any_call(
    ollama_host: str, rewrite: Callable[[str, Any], Any], message: str
) -> None:
    with relay_to(ollama_host, rewrite=rewrite) as relay:
        with pytest.raises(GenerationError, match=message):
            load(relay.address)
        assert relay.chats == 0


@pytest.fixture
def own_model(ollama_host: str) -> Iterator[Callable[[str], str]]:
    """Makes a model of one name from the small one, each time with another system text."""
    name = f"trialforge-test-{uuid.uuid4().hex[:12]}"

    def create(system: str) -> str:
        body = {"model": name, "from": MODEL, "system": system, "stream": False}
        httpx.post(f"{ollama_host}/api/create", json=body, timeout=60, trust_env=False).raise_for_status()
        return name

    yield create
    httpx.request("DELETE", f"{ollama_host}/api/delete", json={"model": name}, timeout=60, trust_env=False)


@pytest.mark.full
def test_model_replaced_under_its_name_is_seen_and_asked_anew(
    ollama_host: str, own_model: Callable[[str], str]
) -> None:
    generator = load(ollama_host, model=own_model("Be brief."))
    key = hash_call(generator.model_digest, generator.engine, ask())
    assert len(list(generator.complete([ask()]))) == 1
    name = own_model("Be kind.")
    with pytest.raises(GenerationError, match=f"{name} was replaced while in use"):
        list(generator.complete([ask()]))
    generator.close()
    again = load(ollama_host, model=name)
    assert hash_call(again.model_digest, again.engine, ask()) != key
    again.close()


@pytest.mark.full
def test_answer_of_a_model_that_took_the_name_during_a_batch_is_not_kept(
    ollama_host: str, own_model: Callable[[str], str], tmp_path: Path
) -> None:
    name, cache = own_model("Be brief."), CallCache(tmp_path / "calls.sqlite")
    requests = [ask(f"{seed} is a number. " * 9, seed=seed, schema=None, max_tokens=40) for seed in range(9)]
    with relay_to(ollama_host) as relay:
        generator = CachedGenerator(load(relay.address, model=name, slots=1), cache)
        answers = generator.complete(requests)
        next(answers)
        own_model("Be kind.")
        begun = relay.chats
        with pytest.raises(GenerationError, match=f"{name} was replaced while in use"):
            list(answers)
        generator.close()
        assert relay.chats < len(requests)
    kept = CallCache(cache.path)
    assert 1 <= kept.measure().entries <= begun
    kept.close()


def find_server(host: str) -> tuple[Path, dict[str, str]]:
    """The program and the environment of the Ollama at `host`, if it runs on this machine."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if words[1:2] == [b"serve"] and b"ollama" in words[0]:
                pairs = (folder / "environ").read_bytes().decode().split("\0")
                environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
                if environment.get("OLLAMA_HOST", "127.0.0.1:11434").endswith(host.rpartition("/")[2]):
                    return (folder / "exe").readlink(), environment
        except OSError:  # it ended, or is another user's
            continue
    pytest.skip("no Ollama of this user runs on this machine, to start a second one like it")


@contextlib.contextmanager
def second_server(like: str, **own: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Another real Ollama like that at `like`, with settings of its own: its address and its process."""
    program, environment = find_server(like)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = environment | {"OLLAMA_HOST": address} | own
    server = subprocess.Popen([program, "serve"], env=settings, stderr=subprocess.DEVNULL)
    for _ in range(100):
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://{address}/api/version", trust_env=False)
            break
        time.sleep(0.1)
    try:
        yield f"http://{address}", server
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:  # busy with a model that it can't hold
            server.kill()
            server.wait()


def test_server_without_memory_for_the_model_says_what_to_lower(ollama_host: str) -> None:
    with second_server(ollama_host, OLLAMA_NUM_PARALLEL="65536") as (address, _):
        generator = load(address)
        with pytest.raises(GenerationError, match=r"more system memory(.|\n)*lower .* OLLAMA_NUM_PARALLEL"):
            list(generator.complete(REQUESTS[:2]))
        generator.close()


def test_server_that_says_it_is_busy_is_asked_again_with_fewer_calls(ollama_host: str) -> None:
    """With this queue, of calls that come while the model loads all but two are refused."""
    with second_server(ollama_host, OLLAMA_MAX_QUEUE="1", OLLAMA_NUM_PARALLEL="1") as (address, _):
        with relay_to(address) as relay:
            generator = load(relay.address, slots=6)
            assert len(list(generator.complete(REQUESTS))) == len(REQUESTS)
            generator.close()
        assert relay.chats > len(REQUESTS)


def kill_model(server: subprocess.Popen[bytes]) -> bool:
    """Kill the process that holds the model; return whether there is one."""
    table = Path(f"/proc/{server.pid}/task").glob("*/children")
    runners = [int(pid) for children in table for pid in children.read_text().split()]
    for pid in runners:
        os.kill(pid, signal.SIGKILL)
    return bool(runners)


@pytest.mark.full
def test_model_that_is_killed_in_mid_answer_answers_again(ollama_host: str) -> None:
    with second_server(ollama_host) as (address, server):
        generator = load(address)
        generator.count_tokens(ask().messages)  # the model is loaded
        answers = generator.complete(STORIES)
        next(answers)
        assert kill_model(server)
        assert len(list(answers)) == len(STORIES) - 1
        generator.close()


@pytest.mark.full
def test_host_whose_model_is_killed_in_every_answer_gives_its_calls_to_another(ollama_host: str) -> None:
    with (
        second_server(ollama_host) as (address, server),
        relay_to(address, at_part=lambda: kill_model(server)) as dying,
        relay_to(ollama_host) as living,
    ):
        generator = load(dying.address, living.address, slots=1)
        assert len(list(generator.complete(REQUESTS))) == len(REQUESTS)
        generator.close()
    assert dying.chats >= 3
    assert living.chats >= len(REQUESTS) - 2
