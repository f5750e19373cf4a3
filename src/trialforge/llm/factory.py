"""From parameters to a language model."""

from __future__ import annotations

from pathlib import Path

from trialforge.core.errors import GenerationError
from trialforge.core.pieces import uses_cluster
from trialforge.llm.backend import TextGenerator
from trialforge.llm.calls import CALLS_FILE, CachedGenerator, CallCache, find_project
from trialforge.llm.models import find_model
from trialforge.llm.params import LlmParams
from trialforge.llm.schemas import check_forcing


def load_generator(params: LlmParams) -> CachedGenerator:
    """Return the language model that section `llm` names, with the project's call cache.

    Raises:
        GenerationError: the model, its engine or the cache is not fit for use.
    """
    cache = CallCache(find_project(Path.cwd()) / CALLS_FILE)
    return CachedGenerator(load_engine(params), cache)


def load_engine(params: LlmParams) -> TextGenerator:
    """Return the language model itself, without a cache; its engine forces answers into a schema.

    Raises:
        GenerationError: the model or its engine is not there, or lets the model write what it likes.
    """
    if params.backend == "ollama":
        from trialforge.llm.ollama import OllamaGenerator

        hosts = OllamaGenerator(params)
        hosts.check_forcing()
        return hosts
    if params.backend == "openai":
        from trialforge.llm.openai import OpenAIGenerator

        servers = OpenAIGenerator(params)
        servers.check_servers()
        return servers
    from trialforge.llm.embedded import EmbeddedGenerator

    embedded = EmbeddedGenerator(find_model(params), params)
    check_forcing(embedded)
    if not uses_cluster():
        return embedded
    from trialforge.llm.cluster import ClusterGenerator

    return ClusterGenerator(embedded, params)


def pull_model(params: LlmParams) -> dict[str, str]:
    """Fetch the model that section `llm` names, on every Ollama host or from the Hugging Face hub.

    Raises:
        GenerationError: it can't be fetched.
    """
    if params.backend == "openai":
        raise GenerationError(
            "`llm.backend` is openai, and such a server loads its own models",
            hint="load the model on the server, then run: trialforge doctor",
        )
    if params.backend == "embedded":
        model = find_model(params)
        return {"model": model.name, "digest": model.digest}
    from trialforge.llm.ollama import OllamaGenerator

    generator = OllamaGenerator(params, pull=True)
    generator.close()
    return {"model": generator.model, "digest": generator.model_digest}
