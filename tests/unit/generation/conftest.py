"""One real engine for all tests of this folder: loading takes a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trialforge.generation.embedded import EmbeddedGenerator
from trialforge.generation.llm_params import LlmParams
from trialforge.generation.models import ModelFile, find_model


@pytest.fixture(scope="session")
def packaged_model() -> ModelFile:
    return find_model(LlmParams())


@pytest.fixture(scope="session")
def engine(packaged_model: ModelFile) -> Iterator[EmbeddedGenerator]:
    generator = EmbeddedGenerator(packaged_model, LlmParams(context_tokens=768, slots=4))
    yield generator
    generator.close()
