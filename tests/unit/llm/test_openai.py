"""Faults of servers that speak OpenAI's API; what a real one does is in test_contract.py."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.local_server import full
from tests.trickling_server import answering
from tests.unit.llm.asking import ask
from tests.unit.llm.small_openai import ANSWER, SmallOpenAI, serve
from trialforge.app import cli
from trialforge.core.errors import GenerationError, ParameterError
from trialforge.llm.backend import Request, ask_first_token
from trialforge.llm.calls import CachedGenerator, CallCache, hash_call
from trialforge.llm.factory import load_engine
from trialforge.llm.openai import OpenAIGenerator
from trialforge.llm.openai_host import read_addresses
from trialforge.llm.params import LlmParams

pytestmark = pytest.mark.slow

DEAD = "http://127.0.0.1:9/v1"
NAME_ONLY = [{"id": "m", "object": "model", "created": 1, "owned_by": "vllm", "root": "m"}]
PARAMS = {"backend": "openai", "model": "m", "context_tokens": 512, "slots": 2}


@pytest.fixture(autouse=True)
def _no_server_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLM_BASE_URL", "LLM_API_KEY", "LLM_ALLOW_PUBLIC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[SmallOpenAI]:
    with serve(SmallOpenAI()) as state:
        yield state


def load(*addresses: str, **params: Any) -> OpenAIGenerator:
    return OpenAIGenerator(LlmParams(**{**PARAMS, **params}), addresses)


def answers(generator: OpenAIGenerator, *requests: Request) -> list[str]:
    try:
        return [completion.text for _, completion in generator.complete(requests)]
    finally:
        generator.close()


def test_what_is_asked_for_is_sent(server: SmallOpenAI) -> None:
    request = ask(seed=7, temperature=0.3, top_k=0, dry_multiplier=0.8)
    ((_, completion),) = load(server.address).complete([request])
    assert (completion.text, completion.finish_reason) == (ANSWER, "stop")
    assert (completion.prompt_tokens, completion.completion_tokens) == (9, 9)
    (body,) = server.asked
    assert (body["model"], body["seed"], body["temperature"], body["max_tokens"]) == ("m", 7, 0.3, 40)
    assert (body["top_p"], body["min_p"], body["dry_multiplier"]) == (0.95, 0.05, 0.8)
    assert body["dry_penalty_last_n"] == 512
    assert body["top_k"] > 1_000_000  # every word, by a number that all servers take
    assert "repeat_penalty" not in body
    assert body["response_format"]["json_schema"]["schema"] == request.schema


MENDS = {
    "top_k": "top_k: 0",
    "min_p": "min_p: 0",
    "top_p": "top_p: 1",
    "repeat_penalty": "repeat_penalty: 1",
    "dry_multiplier": "dry_multiplier: 0",
    "seed": "use another server",
    "temperature": "use another server",
}


@pytest.mark.parametrize("setting", MENDS)
@pytest.mark.parametrize("how", ["ignored", "refused"])
def test_server_that_does_not_heed_a_setting_is_named_and_asked_nothing(
    server: SmallOpenAI, setting: str, how: str
) -> None:
    generator = load(server.address)
    generator.check_servers()
    setattr(server, how, {setting})
    with pytest.raises(GenerationError, match=rf"{server.address} ignores {setting}.*\n.*{MENDS[setting]}"):
        answers(generator, ask(repeat_penalty=1.2, dry_multiplier=0.8))
    assert server.asked == []


def test_setting_that_is_off_is_not_needed(server: SmallOpenAI) -> None:
    server.ignored = {"top_k", "min_p", "repeat_penalty", "dry_multiplier"}
    assert answers(load(server.address), ask(top_k=0, min_p=0)) == [ANSWER]
    assert not {"top_k", "min_p"} & server.asked[0].keys()


def test_what_a_server_heeds_is_asked_once(server: SmallOpenAI) -> None:
    generator = load(server.address)
    list(generator.complete([ask()]))
    before = server.chats
    list(generator.complete([ask(seed=seed) for seed in range(5)]))
    assert server.chats == before + 5
    generator.close()


def test_nothing_is_asked_about_settings_where_nothing_is_drawn(server: SmallOpenAI) -> None:
    server.ignored = {"seed", "top_k", "min_p", "top_p"}
    assert answers(load(server.address), ask(temperature=0)) == [ANSWER]


def test_server_that_ignores_a_schema_is_refused_as_it_is_loaded(
    server: SmallOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_BASE_URL", server.address)
    load_engine(LlmParams(**PARAMS)).close()
    server.ignored = {"schema"}
    with pytest.raises(GenerationError, match=rf"{server.address} does not enforce the JSON"):
        load_engine(LlmParams(**PARAMS))


def test_each_of_several_servers_must_force_its_answers(server: SmallOpenAI) -> None:
    with serve(SmallOpenAI(ignored={"schema"})) as free:
        generator = load(server.address, free.address)
        with pytest.raises(GenerationError, match=f"{free.address} does not enforce"):
            generator.check_servers()
        generator.close()


def test_no_address_is_an_error_that_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match=r"LLM_BASE_URL is not set\n.*http://127\.0\.0\.1:8080/v1"):
        load_engine(LlmParams(**PARAMS))
    with pytest.raises(ParameterError, match="LLM_BASE_URL is not an address"):
        read_addresses({"LLM_BASE_URL": "ftp://a/v1"})


@pytest.mark.parametrize("host", ["8.8.8.8", "[2001:4860:4860::8888]", "[::ffff:8.8.8.8]", "user:pw@1.1.1.1"])
def test_public_address_is_refused_unless_it_is_allowed(host: str) -> None:
    address = f"https://{host}/v1"
    with pytest.raises(
        ParameterError, match=r"is public.*: prompts would leave your network\n.*ALLOW_PUBLIC=1"
    ) as error:
        read_addresses({"LLM_BASE_URL": f"http://127.0.0.1:1/v1,{address}"})
    assert "pw" not in str(error.value)
    assert read_addresses({"LLM_BASE_URL": address, "LLM_ALLOW_PUBLIC": "1"}) == [address]


def test_a_name_is_public_if_one_of_its_addresses_is(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = ["10.0.0.1", "8.8.8.8"]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ParameterError, match=r"llm\.example.* is public \(8\.8\.8\.8\)"):
        read_addresses({"LLM_BASE_URL": "https://llm.example/v1"})
    found.pop()
    assert read_addresses({"LLM_BASE_URL": "https://llm.example/v1"}) == ["https://llm.example/v1"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "192.168.0.7", "100.64.1.1", "[fd00::1]", "[::1]"]
)
def test_private_addresses_are_taken(host: str) -> None:
    asked = {"LLM_BASE_URL": f"{host}:8000/v1/ , http://{host}:8001/v1"}
    assert read_addresses(asked) == [f"http://{host}:8000/v1", f"http://{host}:8001/v1"]


def test_wrong_key_says_what_to_set(server: SmallOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    server.key = "right-key-5512"
    for wrong in ("", "wrong-key-8831"):
        monkeypatch.setenv("LLM_API_KEY", wrong)
        with pytest.raises(
            GenerationError, match=r"does not accept the key: Invalid.*\n.*LLM_API_KEY"
        ) as error:
            load(server.address)
        assert "wrong-key" not in str(error.value)
    monkeypatch.setenv("LLM_API_KEY", "right-key-5512")
    assert answers(load(server.address), ask()) == [ANSWER]
    monkeypatch.setenv("LLM_API_KEY", "right\nkey")
    with pytest.raises(ParameterError, match="LLM_API_KEY holds a line break"):
        load(server.address)


def test_login_of_an_address_is_sent_and_not_told(server: SmallOpenAI) -> None:
    address = server.address.replace("http://", "http://me:pass-4471@")
    generator = load(address, DEAD)
    assert answers(generator, ask()) == [ANSWER]
    assert server.headers["Authorization"].startswith("Basic ")
    with pytest.raises(GenerationError, match="no model other") as error:
        load(address, model="other")
    assert "pass-4471" not in str(error.value)


def test_key_and_names_for_openai_itself_are_not_sent_elsewhere(
    server: SmallOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "none"
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID"):
        monkeypatch.setenv(name, "https://8.8.8.8/v1")
    assert answers(load(server.address), ask()) == [ANSWER]
    assert "8.8.8.8" not in str(server.headers)


def test_dead_server_is_named_with_what_to_do(server: SmallOpenAI) -> None:
    with pytest.raises(
        GenerationError, match=r"no LLM server answers \(.*127\.0\.0\.1:9/v1: ConnectError.*\n.*start"
    ):
        load(DEAD)
    assert answers(load(DEAD, server.address), ask()) == [ANSWER]


def test_address_without_v1_and_another_kind_of_server_are_named(server: SmallOpenAI) -> None:
    with pytest.raises(GenerationError, match=r"lists no models: .*\n.*most end in /v1"):
        load(server.address.removesuffix("/v1"))


def test_missing_model_names_what_is_there(server: SmallOpenAI) -> None:
    with pytest.raises(GenerationError, match=r"no model other; it has: m\n.*set llm\.model"):
        load(server.address, model="other")


def test_name_alone_is_no_identity(server: SmallOpenAI) -> None:
    server.entries = NAME_ONLY
    with pytest.raises(GenerationError, match=r"identifies m only by name\n.*set llm\.revision"):
        load(server.address)
    one, other, again = (load(server.address, revision=revision) for revision in ("a", "b", "a"))
    keys = [hash_call(found.model_digest, found.engine, ask()) for found in (one, other, again)]
    assert keys[0] == keys[2] != keys[1]


def test_other_weights_of_one_name_and_another_version_have_other_keys(server: SmallOpenAI) -> None:
    def key() -> str:
        generator = load(server.address)
        generator.close()
        return hash_call(generator.model_digest, generator.engine, ask())

    first = key()
    server.entries = [{**server.entries[0], "created": 77}]  # a time says nothing of the weights
    assert key() == first
    server.fingerprint = "v2"
    assert key() != first
    server.fingerprint = "v1"
    server.entries = [{**server.entries[0], "meta": {"size": 8, "n_ctx": 512}}]
    assert key() != first


def test_answer_of_a_model_that_was_replaced_meanwhile_is_not_kept(
    server: SmallOpenAI, tmp_path: Path
) -> None:
    server.replaced_at = 3
    cache = CallCache(tmp_path / "calls.sqlite")
    generator = CachedGenerator(load(server.address, slots=1), cache)
    with pytest.raises(GenerationError, match="m was replaced while in use"):
        list(generator.complete([ask(seed=seed) for seed in range(6)]))
    assert (len(server.asked), cache.measure().entries) == (3, 2)
    generator.close()


def test_servers_that_differ_are_refused(server: SmallOpenAI) -> None:
    with (
        serve(SmallOpenAI(fingerprint="v2")) as other,
        pytest.raises(GenerationError, match="different engines"),
    ):
        load(server.address, other.address)
    entries = [{"id": "m", "owned_by": "small", "meta": {"size": 9}}]
    with (
        serve(SmallOpenAI(entries=entries)) as other,
        pytest.raises(GenerationError, match="different models named m"),
    ):
        load(server.address, other.address)


@pytest.mark.parametrize("told", [True, False])
def test_server_with_less_context_is_refused_whether_it_tells_or_cuts(
    server: SmallOpenAI, told: bool
) -> None:
    if told:
        server.entries[0]["meta"]["n_ctx"] = 256
    else:
        del server.entries[0]["meta"]["n_ctx"]
        server.most_read = 256
    generator = load(server.address)
    message = "has 256" if told else "cuts prompts: it read 256 tokens"
    with pytest.raises(GenerationError, match=rf"{message}.*\n.*lower llm\.context_tokens"):
        generator.check_servers()
    generator.close()


def test_prompt_that_was_cut_is_found(server: SmallOpenAI) -> None:
    generator = load(server.address)
    list(generator.complete([ask()]))
    server.most_read = 20
    with pytest.raises(GenerationError, match="cut a prompt: it read 20 tokens of 20"):
        list(generator.complete([ask("word " * 400)]))
    server.most_read = 600
    with pytest.raises(GenerationError, match=r"has 508 tokens, .* leaves room for 472 next to an answer"):
        list(generator.complete([ask("word " * 504)]))
    generator.close()


def test_server_that_counts_no_tokens_is_refused(server: SmallOpenAI) -> None:
    server.tells_usage = False
    generator = load(server.address)
    with pytest.raises(GenerationError, match="does not say how many tokens of a prompt it read"):
        generator.count_tokens(ask().messages)
    with pytest.raises(GenerationError, match="does not say how many tokens of a prompt it read"):
        answers(generator, ask())


def test_first_tokens_are_read_or_their_lack_is_told(server: SmallOpenAI) -> None:
    server.first_tokens = {"no": -2.5, "\ud83d": -2.0, "yes": -0.5}
    generator = load(server.address)
    request = ask_first_token(ask().messages)
    ((_, completion),) = generator.complete([request])
    assert completion.first_tokens == (("yes", -0.5), ("no", -2.5))
    assert (completion.text, completion.finish_reason) == ("", "stop")
    server.first_tokens = {}
    with pytest.raises(
        GenerationError, match=f"{server.address} does not return the probabilities of tokens"
    ):
        answers(generator, request)


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"read_seconds": 2}, r"said nothing for 2 s\n.*llm\.read_seconds"),
        ({"call_seconds": 2}, r"did not end within 2 s\n.*llm\.call_seconds"),
    ],
)
def test_answer_that_takes_too_long_is_given_up(
    server: SmallOpenAI, limit: dict[str, float], message: str
) -> None:
    slow = load(server.address, **limit)
    server.pause = 30
    with pytest.raises(GenerationError, match=message):
        answers(slow, ask())


def test_server_that_takes_no_connection_is_left() -> None:
    message = r"no LLM server answers .*ConnectTimeout"
    with full() as address, pytest.raises(GenerationError, match=message):
        load(f"http://{address}/v1", connect_seconds=0.3)


@pytest.mark.parametrize("raw", [b"data: {\n\n", b'data: {"choices": 3}\n\n', b"\n", b"data: \xff\n\n"])
def test_answer_that_is_none_ends_the_run_which_then_goes_on(server: SmallOpenAI, raw: bytes) -> None:
    generator = load(server.address)
    server.raw = raw
    with pytest.raises(GenerationError, match=r"no LLM server answers \(.*\n.*run again to continue"):
        answers(generator, ask())


def test_answer_that_broke_off_is_asked_again(server: SmallOpenAI) -> None:
    generator = load(server.address)
    list(generator.complete([ask()]))
    server.deaths = 1
    assert answers(generator, ask()) == [ANSWER]
    assert len(server.asked) == 3


def test_server_that_dies_again_and_again_gives_its_calls_to_another(server: SmallOpenAI) -> None:
    with serve(SmallOpenAI()) as dying:
        generator = load(dying.address, server.address, slots=1)
        list(generator.complete([ask("warm up " * 20, seed=seed) for seed in range(4)]))
        before, dying.deaths = len(server.asked), 99
        requests = [ask("text " * 20 + str(seed), seed=seed) for seed in range(6)]
        assert sorted(index for index, _ in generator.complete(requests)) == list(range(6))
        assert len(server.asked) == before + 6
        generator.close()


def test_busy_server_is_asked_again_with_fewer_calls(server: SmallOpenAI) -> None:
    generator = load(server.address, slots=6)
    list(generator.complete([ask()]))
    server.most_taken, server.pause = 2, 0.02
    requests = [ask("text " * 20 + str(seed), seed=seed) for seed in range(12)]
    assert sorted(index for index, _ in generator.complete(requests)) == list(range(12))
    generator.close()


def test_redirect_is_not_followed(server: SmallOpenAI) -> None:
    """It might lead out of the network."""
    there = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {server.address}/models\r\n\r\n"
    with (
        answering(lambda: [there.encode()]) as address,
        pytest.raises(GenerationError, match="refused a call: HTTP 307"),
    ):
        load(f"http://{address}/v1")


def test_key_of_a_call_holds_the_model_and_what_is_asked(server: SmallOpenAI, tmp_path: Path) -> None:
    cached = CachedGenerator(load(server.address), CallCache(tmp_path / "calls.sqlite"))
    requests = [ask(), replace(ask(), attempt=1)]
    assert [completion.from_cache for _, completion in cached.complete(requests)] == [False, False]
    assert [completion.from_cache for _, completion in cached.complete(requests)] == [True, True]
    cached.close()


def test_pull_says_that_the_server_loads_its_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text("llm: { backend: openai, model: m }")
    monkeypatch.chdir(tmp_path)
    assert cli.run(["pull"]) == 1
    assert "such a server loads its own models" in capsys.readouterr().err
