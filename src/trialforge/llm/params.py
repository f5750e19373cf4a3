"""Section `llm` of params.yaml: which language model answers, and how it is reached."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trialforge.core.params import Section


class LlmParams(Section):
    """Everything about the engine; what is asked of it lies in `reasoning` and `generation`.

    The addresses of servers are no parameters but the environment variables OLLAMA_HOST and LLM_BASE_URL
    (several: with commas). Only `backend`, `model`, `sha256`, `revision`, `exact` and, for Ollama,
    `context_tokens` are in the key of a call. No other can change an answer of the embedded engine with
    `exact`. Without it `slots`, `threads` and `workers` can, and with a server `slots`: calls that are worked
    on together may be rounded otherwise.
    """

    backend: Literal["embedded", "ollama", "openai"] = "embedded"
    model: str = Field(default="packaged", min_length=1)
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    revision: str | None = Field(default=None, min_length=1)
    context_tokens: int = Field(default=4096, ge=256)
    slots: int = Field(default=8, ge=1, le=64)
    threads: int = Field(default=0, ge=0, le=1024)
    workers: int = Field(default=0, ge=0, le=1024)
    exact: bool = True
    # Ollama takes no string without a unit, but a number of seconds.
    keep_alive: int | Annotated[str, Field(pattern=r"^-?\d+(s|m|h)$")] = "10m"
    connect_seconds: float = Field(default=5, gt=0, le=600)
    read_seconds: float = Field(default=300, gt=0, le=86_400)
    call_seconds: float = Field(default=900, gt=0, le=86_400)
