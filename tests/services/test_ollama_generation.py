"""The Ollama backend on a real server with a small model."""

from __future__ import annotations

import json

import jsonschema
import pytest

from tests.ollama_model import MODEL
from tests.unit.llm.asking import SCHEMA, ask
from trialforge.core.errors import GenerationError
from trialforge.llm.backend import MOST_TOKENS, Message, ask_first_token
from trialforge.llm.ollama import OllamaGenerator
from trialforge.llm.params import LlmParams
from trialforge.llm.schemas import check_forcing

pytestmark = pytest.mark.services


@pytest.fixture
def generator(ollama_host: str) -> OllamaGenerator:
    return OllamaGenerator(
        LlmParams(backend="ollama", model=MODEL, context_tokens=512, slots=2), [ollama_host]
    )


def test_schema_is_forced(generator: OllamaGenerator) -> None:
    check_forcing(generator)
    answers = dict(generator.complete([ask(seed=seed, max_tokens=60) for seed in range(2)]))
    whole = [completion for completion in answers.values() if completion.finish_reason == "stop"]
    assert whole
    for completion in whole:
        jsonschema.validate(json.loads(completion.text), SCHEMA)
    generator.close()


@pytest.mark.full
def test_seed_is_honoured(generator: OllamaGenerator) -> None:
    texts = [completion.text for seed in (1, 1, 2) for _, completion in generator.complete([ask(seed=seed)])]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]
    generator.close()


def test_prompt_longer_than_the_context_is_refused_not_cut(generator: OllamaGenerator) -> None:
    with pytest.raises(GenerationError, match="exceeds the context length"):
        list(generator.complete([ask("word " * 900)]))
    generator.close()


@pytest.mark.full
def test_count_is_what_a_call_evaluates(generator: OllamaGenerator) -> None:
    counted = generator.count_tokens(ask().messages)
    ((_, completion),) = generator.complete([ask()])
    assert completion.prompt_tokens == counted
    generator.close()


def test_answer_that_is_cut_says_so(generator: OllamaGenerator) -> None:
    ((_, completion),) = generator.complete([ask(max_tokens=5)])
    assert completion.finish_reason == "length"
    generator.close()


def test_first_tokens_come_with_their_probabilities(generator: OllamaGenerator) -> None:
    chat = (Message("system", "Answer with one word only."), Message("user", "Outcome (success or failure):"))
    ((_, completion),) = generator.complete([ask_first_token(chat)])
    generator.close()
    assert len(completion.first_tokens) == MOST_TOKENS
    assert {"Success", "Failure"} <= {item.token for item in completion.first_tokens}
    assert (completion.text, completion.finish_reason) == ("", "stop")


@pytest.mark.parametrize("given", ["-1", "10", "10m"])
def test_each_form_of_keep_alive_is_taken(ollama_host: str, given: str) -> None:
    params = LlmParams(backend="ollama", model=MODEL, context_tokens=512, slots=1, keep_alive=given)
    generator = OllamaGenerator(params, [ollama_host])
    assert generator.count_tokens(ask().messages) > 0
    generator.close()


def test_missing_model_names_the_command(ollama_host: str) -> None:
    with pytest.raises(GenerationError, match="ollama pull no-such-model"):
        OllamaGenerator(LlmParams(backend="ollama", model="no-such-model"), [ollama_host])
