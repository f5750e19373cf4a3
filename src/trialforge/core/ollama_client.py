"""Where Ollama is, and the client of the library `ollama` for what it can do: list, pull and embed.

Chats go past it (`generation.ollama_host`): it can't send `truncate` and `shift`, without which a prompt that
is too long is cut without a word.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from trialforge.core.errors import ParameterError
from trialforge.core.secrets import fits_header

if TYPE_CHECKING:
    from ollama import Client

HOST_VARIABLE = "OLLAMA_HOST"
KEY_VARIABLE = "OLLAMA_API_KEY"  # which the library sends
DEFAULT_HOST = "http://127.0.0.1:11434"


def read_addresses() -> list[str]:
    """Return the addresses in OLLAMA_HOST, with what they leave out filled in."""
    parts = [part.strip() for part in os.environ.get(HOST_VARIABLE, "").split(",")]
    return [part if "://" in part else f"http://{part}" for part in parts if part] or [DEFAULT_HOST]


def make_client(host: str, **options: Any) -> Client:
    """Return a client of one host, with further options of `httpx.Client`.

    The library makes a client of OLLAMA_HOST as it is imported, and fails where that names several hosts.
    """
    if not fits_header(os.environ.get(KEY_VARIABLE, "")):
        raise ParameterError(
            f"{KEY_VARIABLE} holds a line break or a letter beyond ASCII, which no request can carry",
            hint="set it to the key alone",
        )
    hosts = os.environ.pop(HOST_VARIABLE, None)
    try:
        from ollama import Client
    finally:
        if hosts is not None:
            os.environ[HOST_VARIABLE] = hosts
    return Client(host, trust_env=False, **options)
