"""Faults of Ollama that a real server does not show on demand; the real one is in tests/services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local_server import full
from tests.unit.llm.asking import ask
from tests.unit.llm.small_ollama import ANSWER, SmallOllama, serve
from trialforge.app import cli
from trialforge.core.errors import GenerationError
from trialforge.core.ollama_client import read_addresses
from trialforge.llm.backend import ask_first_token
from trialforge.llm.calls import CachedGenerator, CallCache, hash_call
from trialforge.llm.ollama import OllamaGenerator
from trialforge.llm.params import LlmParams

pytestmark = pytest.mark.slow

DEAD = "http://127.0.0.1:9"


@pytest.fixture
def server() -> Iterator[SmallOllama]:
    with serve(SmallOllama()) as state:
        yield state


def load(*addresses: str, pull: bool = False, **params: Any) -> OllamaGenerator:
    settings = {"backend": "ollama", "model": "m", "context_tokens": 512, "slots": 2, **params}
    return OllamaGenerator(LlmParams(**settings), addresses, pull=pull)


def test_seed_temperature_and_context_stand_in_options(server: SmallOllama) -> None:
    generator = load(server.address, keep_alive="3m")
    ((_, completion),) = generator.complete([ask(seed=7, temperature=0.3)])
    generator.close()
    assert completion.text == ANSWER
    (body,) = server.asked
    options = body["options"]
    assert (options["seed"], options["temperature"], options["num_ctx"]) == (7, 0.3, 512)
    assert options["num_predict"] == 40
    assert not {"seed", "temperature", "num_ctx"} & body.keys()
    assert body["truncate"] is False
    assert body["keep_alive"] == "3m"
    assert body["format"] == ask().schema


@pytest.mark.parametrize(
    ("given", "sent"), [("-1", -1), (-1, -1), ("10", 10), ("-1m", "-1m"), ("90s", "90s")]
)
def test_keep_alive_without_a_unit_is_sent_as_a_number(server: SmallOllama, given: Any, sent: Any) -> None:
    generator = load(server.address, keep_alive=given)
    list(generator.complete([ask()]))
    generator.close()
    assert server.asked[0]["keep_alive"] == sent


def test_keep_alive_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="keep_alive"):
        LlmParams(keep_alive="10 minutes")


def test_first_tokens_are_asked_for_and_read(server: SmallOllama) -> None:
    server.first_tokens = {"no": -2.5, "\ud83d": -2.0, "yes": -0.5}
    generator = load(server.address)
    ((_, completion),) = generator.complete([ask_first_token(ask().messages)])
    generator.close()
    assert completion.first_tokens == (("yes", -0.5), ("no", -2.5))
    assert (completion.text, completion.finish_reason) == ("", "stop")
    (body,) = server.asked
    assert (body["logprobs"], body["top_logprobs"], body["options"]["num_predict"]) == (True, 20, 1)


def test_server_that_tells_no_probabilities_is_refused(server: SmallOllama) -> None:
    generator = load(server.address)
    with pytest.raises(GenerationError, match="does not return the probabilities of tokens"):
        list(generator.complete([ask_first_token(ask().messages)]))
    generator.close()


@pytest.mark.parametrize("version", ["0.17.0", "0.9.2", "0.16.9-rc1", "unknown"])
def test_old_version_is_refused(server: SmallOllama, version: str) -> None:
    server.version = version
    with pytest.raises(GenerationError, match=r"0\.17\.1 or later is needed"):
        load(server.address)


@pytest.mark.parametrize("version", ["0.17.1", "0.18.0-rc2", "1.0.0", "0.0.0"])
def test_new_version_and_a_build_from_source_are_taken(server: SmallOllama, version: str) -> None:
    server.version = version
    load(server.address).close()


@pytest.mark.parametrize(
    ("name", "entry"),
    [("big:cloud", {}), ("big:120b-cloud", {}), ("m", {"remote_host": "https://ollama.com:443"})],
)
def test_cloud_models_are_refused(server: SmallOllama, name: str, entry: dict[str, Any]) -> None:
    server.models = [{"name": "m:latest", "digest": "a" * 64, **entry}]
    with pytest.raises(GenerationError, match="is a cloud model: prompts would leave this machine"):
        load(server.address, model=name)


def test_missing_model_names_what_is_there_and_the_command(server: SmallOllama) -> None:
    with pytest.raises(GenerationError, match=r"no model other; it has: m:latest\n.*ollama pull other"):
        load(server.address, model="other")


def test_pull_fetches_the_missing_model(server: SmallOllama) -> None:
    generator = load(server.address, model="other:1b", pull=True)
    generator.close()
    assert server.pulled == ["other:1b"]
    assert generator.model_digest == "b" * 64


def test_pull_command_fetches_the_model_on_every_host(
    server: SmallOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text("llm: { backend: ollama, model: 'other:1b' }")
    monkeypatch.chdir(tmp_path)
    with serve(SmallOllama()) as second:
        monkeypatch.setenv("OLLAMA_HOST", f"{server.address},{second.address}")
        assert cli.run(["pull", "--json"]) == 0
        assert server.pulled == second.pulled == ["other:1b"]
    assert json.loads(capsys.readouterr().out) == {"model": "other:1b", "digest": "b" * 64}


def test_a_pull_that_fails_says_what_the_server_said(server: SmallOllama) -> None:
    server.refusal = "file does not exist"
    with pytest.raises(GenerationError, match=r"can't pull other:1b: file does not exist"):
        load(server.address, model="other:1b", pull=True)


def test_replaced_model_is_seen_and_has_other_keys(server: SmallOllama) -> None:
    generator = load(server.address)
    before = hash_call(generator.model_digest, generator.engine, ask())
    server.models = [{"name": "m:latest", "digest": "c" * 64}]
    with pytest.raises(GenerationError, match="was replaced while in use: aaaaaaaaaaaa is now cccccccccccc"):
        list(generator.complete([ask()]))
    again = load(server.address)
    assert hash_call(again.model_digest, again.engine, ask()) != before
    generator.close()
    again.close()


def test_answer_of_a_model_that_was_replaced_meanwhile_is_not_kept(
    server: SmallOllama, tmp_path: Path
) -> None:
    server.replaced_at = 3
    cache = CallCache(tmp_path / "calls.sqlite")
    generator = CachedGenerator(load(server.address, slots=1), cache)
    with pytest.raises(GenerationError, match="was replaced while in use: aaaaaaaaaaaa is now cccccccccccc"):
        list(generator.complete([ask(seed=seed) for seed in range(6)]))
    assert (len(server.asked), cache.measure().entries) == (3, 2)
    generator.close()


def test_prompt_that_filled_the_context_was_cut(server: SmallOllama) -> None:
    server.prompt_tokens = 512
    generator = load(server.address)
    with pytest.raises(GenerationError, match="a prompt was cut"):
        list(generator.complete([ask()]))
    generator.close()


def test_answer_that_does_not_say_how_much_of_its_prompt_was_read_is_refused(server: SmallOllama) -> None:
    server.prompt_tokens = None
    generator = load(server.address)
    with pytest.raises(GenerationError, match="does not say how many tokens of a prompt it read"):
        list(generator.complete([ask()]))
    with pytest.raises(GenerationError, match="does not say how many tokens of a prompt it read"):
        generator.count_tokens(ask().messages)
    generator.close()


FORCED = '{"word":"zq7-vx","more":""}'


def test_each_host_must_force_its_answers(server: SmallOllama) -> None:
    server.parts = [FORCED]
    with serve(SmallOllama(parts=[FORCED])) as forcing, serve(SmallOllama()) as free:
        generator = load(server.address, forcing.address)
        generator.check_forcing()
        assert (len(server.asked), len(forcing.asked)) == (1, 1)
        generator.close()
        generator = load(server.address, forcing.address, free.address)
        with pytest.raises(GenerationError, match=f"at {free.address} does not enforce the JSON schema"):
            generator.check_forcing()
        generator.close()


def test_silence_ends_at_the_read_time_out(server: SmallOllama) -> None:
    server.pause = 3
    generator = load(server.address, read_seconds=0.5)
    with pytest.raises(GenerationError, match=r"said nothing for 0\.5 s\n.*llm\.read_seconds"):
        list(generator.complete([ask()]))
    generator.close()


def test_host_that_takes_no_connection_is_left_after_the_connect_time_out() -> None:
    message = r"no Ollama host answers .*ConnectTimeout"
    with full() as address, pytest.raises(GenerationError, match=message):
        load(f"http://{address}", connect_seconds=0.3)


def test_answer_that_never_ends_is_stopped_by_the_clock(server: SmallOllama) -> None:
    server.parts, server.pause = ["{"] * 500, 0.05
    generator = load(server.address, call_seconds=0.3)
    with pytest.raises(GenerationError, match=r"did not end within 0\.3 s\n.*llm\.call_seconds"):
        list(generator.complete([ask()]))
    generator.close()


def test_a_chat_that_is_given_up_lets_the_model_go(server: SmallOllama) -> None:
    """Else the server reads the prompt to its end, and all other calls wait behind it."""
    server.pause = 60
    generator = load(server.address, slots=1, call_seconds=0.5)
    with pytest.raises(GenerationError, match=r"did not end within 0\.5 s\n.*llm\.call_seconds"):
        list(generator.complete([ask()]))
    assert server.unloaded == ["m"]
    generator.close()
    server.pause = 0
    generator = load(server.address)
    assert len(list(generator.complete([ask()]))) == 1
    generator.close()
    assert server.unloaded == ["m"]


def test_the_end_of_a_run_ends_its_silent_chats(server: SmallOllama) -> None:
    with serve(SmallOllama(refusal="that schema is too large for memory")) as refusing:
        server.pause = 600
        generator = load(server.address, refusing.address, slots=1)
        with pytest.raises(GenerationError, match="too large for memory"):
            list(generator.complete([ask(f"{seed} " * 40, seed=seed) for seed in range(2)]))
        generator.close()
    assert server.unloaded == ["m"]


@pytest.mark.parametrize("hosts", [1, 2])
def test_a_busy_host_is_asked_again_with_fewer_calls(server: SmallOllama, hosts: int) -> None:
    server.most_taken, server.pause = 2, 0.05
    with serve(SmallOllama(pause=0.05)) as other:
        generator = load(*[server.address, other.address][:hosts], slots=8)
        requests = [ask("text " * 20 + str(seed), seed=seed) for seed in range(24)]
        assert sorted(index for index, _ in generator.complete(requests)) == list(range(24))
        generator.close()
        assert server.most_running == 2
        assert len(server.asked) + len(other.asked) == 24


def test_a_host_that_takes_no_call_gives_all_to_another(server: SmallOllama) -> None:
    server.most_taken = 0
    with serve(SmallOllama()) as other:
        generator = load(server.address, other.address)
        assert len(list(generator.complete([ask(seed=seed) for seed in range(8)]))) == 8
        generator.close()
    assert (len(server.asked), len(other.asked)) == (0, 8)


def test_hosts_that_stay_busy_are_given_up_in_the_end(server: SmallOllama) -> None:
    server.most_taken = 0
    generator = load(server.address, call_seconds=1)
    with pytest.raises(GenerationError, match=r"took a call within 1 s \(.*server busy.*\n.*llm\.slots"):
        list(generator.complete([ask()]))
    generator.close()


def test_a_model_that_died_is_asked_again(server: SmallOllama) -> None:
    server.deaths = 1
    generator = load(server.address)
    assert len(list(generator.complete([ask()]))) == 1
    generator.close()


def test_a_host_whose_model_dies_again_and_again_gives_its_calls_to_another(server: SmallOllama) -> None:
    with serve(SmallOllama(deaths=99)) as dying:
        generator = load(dying.address, server.address, slots=1)
        requests = [ask("text " * 20 + str(seed), seed=seed) for seed in range(6)]
        assert len(list(generator.complete(requests))) == 6
        assert len(server.asked) == 6
        generator.close()
        alone = load(dying.address)
        with pytest.raises(GenerationError, match=r"no Ollama host answers .*unexpectedly stopped"):
            list(alone.complete([ask()]))
        alone.close()


def test_a_line_that_is_cut_is_an_answer_that_broke_off(server: SmallOllama) -> None:
    server.cut_off = True
    generator = load(server.address)
    with pytest.raises(GenerationError, match=r"no Ollama host answers .*not JSON.*\n.*again to continue"):
        list(generator.complete([ask()]))
    generator.close()


@pytest.mark.parametrize("separator", "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", ids=ascii)
def test_no_character_of_an_answer_cuts_it(server: SmallOllama, separator: str) -> None:
    server.parts = [f'{{"phase":"I","title":"A small{separator}trial"}}']
    generator = load(server.address)
    ((_, completion),) = generator.complete([ask()])
    assert completion.text == server.parts[0]
    generator.close()


NO_TEXTS = {
    "half-pair": '{"phase":"I","title":"A small \\ud83d trial"}',
    "nul": '{"phase":"I","title":"A small \\u0000 trial"}',
    "backspace": '{"phase":"I","title":"A small \\beta trial"}',
    "raw-control": '{"phase":"I","title":"A small \x1b trial"}',
}


@pytest.mark.parametrize("text", NO_TEXTS.values(), ids=NO_TEXTS)
def test_what_can_be_no_text_is_a_failed_attempt_and_its_text_is_not_kept(
    server: SmallOllama, tmp_path: Path, text: str
) -> None:
    server.parts = [text]
    for from_cache in (False, True):
        generator = CachedGenerator(load(server.address), CallCache(tmp_path / "calls.sqlite"))
        ((_, completion),) = generator.complete([ask()])
        assert (completion.text, completion.finish_reason) == ("", "garbled")
        assert completion.from_cache == from_cache
        generator.close()
    assert b"small" not in (tmp_path / "calls.sqlite").read_bytes()


def test_no_time_out_can_be_left_out() -> None:
    for name in ("connect_seconds", "read_seconds", "call_seconds"):
        with pytest.raises(ValueError, match=name):
            LlmParams.model_validate({name: None})


def test_model_too_large_for_memory_says_what_to_do(server: SmallOllama) -> None:
    server.refusal = "model requires more system memory (9.0 GiB) than is available (1.0 GiB)"
    generator = load(server.address)
    with pytest.raises(GenerationError, match=r"more system memory.*\n.*choose a smaller model"):
        list(generator.complete([ask()]))
    generator.close()


def test_load_is_shared_among_hosts(server: SmallOllama) -> None:
    with serve(SmallOllama(pause=0.02)) as other:
        server.pause = 0.02
        generator = load(server.address, other.address)
        requests = [ask("text " * 20 + str(seed), seed=seed) for seed in range(20)]
        assert len(list(generator.complete(requests))) == 20
        generator.close()
        assert len(server.asked) + len(other.asked) == 20
        assert min(len(server.asked), len(other.asked)) >= 5


def test_one_dead_host_of_three_is_left_out(server: SmallOllama) -> None:
    with serve(SmallOllama()) as other:
        generator = load(server.address, DEAD, other.address)
        assert len(list(generator.complete([ask(seed=seed) for seed in range(9)]))) == 9
        generator.close()


def test_calls_of_a_dead_host_are_spread_and_no_host_has_more_than_its_slots(server: SmallOllama) -> None:
    server.pause = 0.05
    with serve(SmallOllama(break_off=True)) as dying, serve(SmallOllama(pause=0.05)) as other:
        generator = load(dying.address, server.address, other.address, slots=2)
        requests = [ask("text " * 20 + str(seed), seed=seed) for seed in range(24)]
        assert len(list(generator.complete(requests))) == 24
        generator.close()
    assert max(server.most_running, other.most_running) <= 2
    assert min(len(server.asked), len(other.asked)) >= 8


def test_host_that_stops_answering_between_calls_is_left_out(server: SmallOllama) -> None:
    with serve(SmallOllama()) as other:
        generator = load(server.address, other.address)
        other.lists_models = False
        assert len(list(generator.complete([ask(seed=seed) for seed in range(4)]))) == 4
        server.lists_models = False
        with pytest.raises(GenerationError, match=r"no Ollama host answers .*\n.*run again to continue"):
            list(generator.complete([ask()]))
        generator.close()


def test_hosts_of_different_versions_are_refused(server: SmallOllama) -> None:
    with (
        serve(SmallOllama(version="0.18.0")) as other,
        pytest.raises(
            GenerationError, match=r"different versions of Ollama: http.* 0\.17\.4, http.* 0\.18\.0\n.*update"
        ),
    ):
        load(server.address, other.address)


def test_no_host_at_all_names_each_and_the_command() -> None:
    with pytest.raises(GenerationError, match=r"127\.0\.0\.1:9: ConnectError.*\n.*`ollama serve`"):
        load(DEAD)


def test_hosts_with_different_models_of_one_name_are_refused(server: SmallOllama) -> None:
    with (
        serve(SmallOllama(models=[{"name": "m:latest", "digest": "e" * 64}])) as other,
        pytest.raises(GenerationError, match="different models named m"),
    ):
        load(server.address, other.address)


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "one:11434, http://two:1")
    assert read_addresses() == ["http://one:11434", "http://two:1"]
    monkeypatch.delenv("OLLAMA_HOST")
    assert read_addresses() == ["http://127.0.0.1:11434"]
