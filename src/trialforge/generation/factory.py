"""From parameters to a language model."""

from __future__ import annotations

from trialforge.errors import ParameterError
from trialforge.generation.backend import TextGenerator
from trialforge.generation.embedded import EmbeddedGenerator
from trialforge.generation.llm_params import LlmParams
from trialforge.generation.models import find_model


def load_generator(params: LlmParams) -> TextGenerator:
    """Return the language model that section `llm` names.

    Raises:
        GenerationError: the model or its engine is not there.
    """
    if params.backend == "embedded":
        return EmbeddedGenerator(find_model(params), params)
    raise ParameterError(f"`llm.backend`: {params.backend!r} is not built yet; allowed: embedded")
