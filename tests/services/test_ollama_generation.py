"""The Ollama backend on a real server with a small model."""

from __future__ import annotations

import pytest

from tests.unit.llm.asking import ask
from trialforge.core.errors import GenerationError
from trialforge.llm.backend import MOST_TOKENS, Message, ask_first_token
from trialforge.llm.ollama import OllamaGenerator
from trialforge.llm.params import LlmParams

MODEL = "smollm2:135m"
pytestmark = pytest.mark.services


@pytest.fixture
def generator(ollama_host: str) -> OllamaGenerator:
    return OllamaGenerator(
        LlmParams(backend="ollama", model=MODEL, context_tokens=512, slots=2), [ollama_host]
    )


def test_prompt_longer_than_the_context_is_refused_not_cut(generator: OllamaGenerator) -> None:
    with pytest.raises(GenerationError, match="exceeds the context length"):
        list(generator.complete([ask("word " * 900)]))
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
