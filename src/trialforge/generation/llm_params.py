"""Section `llm` of params.yaml: which language model answers, and how it is reached."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trialforge.params import Section


class LlmParams(Section):
    """Everything about the engine; what is asked of it lies in `reasoning` and `generation`."""

    backend: Literal["embedded", "ollama"] = "embedded"
    model: str = "packaged"
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    context_tokens: int = Field(default=4096, ge=512)
    slots: int = Field(default=4, ge=1, le=64)
    threads: int = Field(default=2, ge=1, le=256)
