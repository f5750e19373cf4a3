"""One real engine for all unit tests: loading takes a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trialforge.llm.embedded import EmbeddedGenerator
from trialforge.llm.models import ModelFile, find_model
from trialforge.llm.params import LlmParams


@pytest.fixture(scope="session")
def packaged_model() -> ModelFile:
    return find_model(LlmParams())


@pytest.fixture(scope="session")
def engine(packaged_model: ModelFile) -> Iterator[EmbeddedGenerator]:
    generator = EmbeddedGenerator(packaged_model, LlmParams(context_tokens=768, slots=4))
    yield generator
    generator.close()
