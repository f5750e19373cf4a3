"""From parameters to a language model."""

from __future__ import annotations

from pathlib import Path

from trialforge.generation.backend import TextGenerator
from trialforge.generation.calls import CALLS_FILE, CachedGenerator, CallCache, find_project
from trialforge.generation.llm_params import LlmParams
from trialforge.generation.models import find_model
from trialforge.generation.schemas import check_forcing


def load_generator(params: LlmParams) -> TextGenerator:
    """Return the language model that section `llm` names, with the project's call cache.

    Raises:
        GenerationError: the model, its engine or the cache is not fit for use.
    """
    cache = CallCache(find_project(Path.cwd()) / CALLS_FILE)
    inner = load_engine(params)
    generator = CachedGenerator(inner, cache)
    check_forcing(inner)
    return generator


def load_engine(params: LlmParams) -> TextGenerator:
    """Return the language model itself, without a cache.

    Raises:
        GenerationError: the model or its engine is not there.
    """
    if params.backend == "ollama":
        from trialforge.generation.ollama import OllamaGenerator

        return OllamaGenerator(params)
    from trialforge.generation.embedded import EmbeddedGenerator

    return EmbeddedGenerator(find_model(params), params)


def pull_model(params: LlmParams) -> dict[str, str]:
    """Fetch the model that section `llm` names, on every Ollama host or from the Hugging Face hub.

    Raises:
        GenerationError: it can't be fetched.
    """
    if params.backend == "embedded":
        model = find_model(params)
        return {"model": model.name, "digest": model.digest}
    from trialforge.generation.ollama import OllamaGenerator

    generator = OllamaGenerator(params, pull=True)
    generator.close()
    return {"model": generator.model, "digest": generator.model_digest}
