"""What every language model backend promises, on real engines: the embedded one, Ollama, and OpenAI's API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from tests.ollama_model import MODEL
from tests.unit.llm.asking import SCHEMA, ask
from trialforge.core.errors import GenerationError
from trialforge.llm.backend import MOST_TOKENS, Completion, Message, Request, TextGenerator, ask_first_token
from trialforge.llm.embedded import EmbeddedGenerator
from trialforge.llm.engine_process import EngineProcess, EngineSettings
from trialforge.llm.models import find_model
from trialforge.llm.ollama import OllamaGenerator
from trialforge.llm.openai import OpenAIGenerator
from trialforge.llm.params import LlmParams
from trialforge.llm.schemas import check_forcing

CONTEXT = 512
KEY = "key-of-a-test"


def load_embedded(_: pytest.FixtureRequest) -> TextGenerator:
    return EmbeddedGenerator(find_model(LlmParams()), LlmParams(context_tokens=CONTEXT, slots=2))


def load_ollama(request: pytest.FixtureRequest) -> TextGenerator:
    params = LlmParams(backend="ollama", model=MODEL, context_tokens=CONTEXT, slots=2)
    return OllamaGenerator(params, [request.getfixturevalue("ollama_host")])


def load_ollama_by_openai(request: pytest.FixtureRequest) -> TextGenerator:
    params = LlmParams(backend="openai", model=MODEL, revision="test", context_tokens=CONTEXT, slots=2)
    return OpenAIGenerator(params, [f"{request.getfixturevalue('ollama_host')}/v1"])


def load_llama_server(request: pytest.FixtureRequest) -> TextGenerator:
    """llama.cpp's own server, by its address and its key."""
    path = str(find_model(LlmParams()).path)
    process = EngineProcess(EngineSettings(path, CONTEXT, 2, 1, exact=True, token=KEY))
    request.addfinalizer(process.close)
    address = process.wait_for_address(120)
    params = LlmParams(backend="openai", model=path, context_tokens=CONTEXT, slots=2)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LLM_API_KEY", KEY)
        return OpenAIGenerator(params, [f"{address}/v1"])


BACKENDS = [
    pytest.param(load_embedded, id="embedded", marks=pytest.mark.slow),
    pytest.param(load_llama_server, id="openai-llama.cpp", marks=pytest.mark.slow),
    # Minutes on a busy machine; tests/services/test_ollama_generation.py has the most of it.
    pytest.param(load_ollama, id="ollama", marks=[pytest.mark.services, pytest.mark.full]),
    pytest.param(load_ollama_by_openai, id="openai-ollama", marks=[pytest.mark.services, pytest.mark.full]),
]


@pytest.fixture(scope="module", params=BACKENDS)
def generator(request: pytest.FixtureRequest) -> Iterator[TextGenerator]:
    made: TextGenerator = request.param(request)
    yield made
    made.close()


def known(generator: TextGenerator) -> dict[str, Any]:
    """Leave out what Ollama does not know by OpenAI's API; by its own way it is slow without them."""
    return {"top_k": 0, "min_p": 0} if isinstance(generator, OpenAIGenerator) else {}


def answer(generator: TextGenerator, *requests: Request) -> list[Completion]:
    """The answers in the order of their requests."""
    found = sorted(generator.complete(requests), key=lambda pair: pair[0])
    assert [index for index, _ in found] == list(range(len(requests)))
    return [completion for _, completion in found]


def test_it_says_what_it_is(generator: TextGenerator) -> None:
    assert re.fullmatch("[0-9a-f]{64}", generator.model_digest)
    assert generator.engine
    assert generator.model
    assert generator.context_tokens == CONTEXT


def test_an_answer_is_forced_into_its_schema(generator: TextGenerator) -> None:
    check_forcing(generator)
    found = answer(generator, *(ask(seed=seed, max_tokens=120, **known(generator)) for seed in range(4)))
    whole = [completion for completion in found if completion.finish_reason == "stop"]
    assert whole
    for completion in whole:
        jsonschema.validate(json.loads(completion.text), SCHEMA)
        assert list(json.loads(completion.text)) == ["phase", "title"]
    assert {completion.model_digest for completion in found} == {generator.model_digest}


def test_a_seed_gives_its_answer_and_another_seed_another(generator: TextGenerator) -> None:
    one, again, other = (
        answer(generator, ask(seed=seed, schema=None, max_tokens=16, temperature=1.0, **known(generator)))[
            0
        ].text
        for seed in (1, 1, 2)
    )
    assert one == again != other


def test_tokens_are_counted_as_a_call_reads_them(generator: TextGenerator) -> None:
    (found,) = answer(generator, ask(max_tokens=3, **known(generator)))
    assert generator.count_tokens(ask().messages) == found.prompt_tokens > 10
    assert 0 <= found.cached_tokens <= found.prompt_tokens
    longer = (*ask().messages, Message("user", "hello"))
    assert generator.count_tokens(longer) > found.prompt_tokens


def test_an_answer_that_is_cut_says_so(generator: TextGenerator) -> None:
    (found,) = answer(generator, ask("Tell a long story.", schema=None, max_tokens=5, **known(generator)))
    assert (found.finish_reason, found.completion_tokens) == ("length", 5)


def test_a_prompt_longer_than_the_context_is_refused_not_cut(generator: TextGenerator) -> None:
    with pytest.raises(GenerationError, match="context"):
        answer(generator, ask("word " * 900, max_tokens=5, **known(generator)))
    assert len(answer(generator, ask(max_tokens=3, **known(generator)))) == 1


def test_first_tokens_come_with_their_probabilities(generator: TextGenerator) -> None:
    (found,) = answer(generator, ask_first_token(ask().messages))
    values = [item.logprob for item in found.first_tokens]
    assert (found.text, found.finish_reason, len(values)) == ("", "stop", MOST_TOKENS)
    assert values == sorted(values, reverse=True)
    assert values[0] <= 0


def test_a_run_that_is_left_leaves_the_engine_fit_for_use(generator: TextGenerator) -> None:
    long: dict[str, Any] = {"schema": None, "max_tokens": 300, **known(generator)}
    running = generator.complete(
        [
            ask(max_tokens=2, **known(generator)),
            *(ask("Tell a long story.", seed=seed, **long) for seed in range(3)),
        ]
    )
    assert next(iter(running))
    running.close()  # type: ignore[attr-defined]
    assert len(answer(generator, ask(max_tokens=3, **known(generator)))) == 1


def test_no_requests_have_no_answers(generator: TextGenerator) -> None:
    assert answer(generator) == []


@pytest.mark.services
@pytest.mark.full
def test_settings_that_ollama_does_not_know_by_this_way_are_named(ollama_host: str) -> None:
    params = LlmParams(backend="openai", model=MODEL, revision="test", context_tokens=CONTEXT, slots=1)
    generator = OpenAIGenerator(params, [f"{ollama_host}/v1"])
    with pytest.raises(GenerationError, match=r"/v1 ignores top_k.*\n.*top_k: 0"):
        answer(generator, ask())
    generator.close()
