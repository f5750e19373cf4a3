"""What may go into a request and never into a message: keys, passwords, and addresses that hold them."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

KEYS = (
    "ELASTICSEARCH_API_KEY", "ELASTICSEARCH_PASSWORD", "OLLAMA_API_KEY", "LLM_API_KEY", "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
)  # fmt: skip
ADDRESSES = (
    "ELASTICSEARCH_URL",
    "OLLAMA_HOST",
    "LLM_BASE_URL",
    "REGISTRY_URL",
    "HF_ENDPOINT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
)
HIDDEN = "***"
# Shorter ones stand in other words too; they are hidden in addresses alone.
_SHORTEST = 4
_LOGIN = re.compile(r"(?<=://)[^\s/?#]*@")


def hide_secrets(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return text without the secrets of the environment, however a library has written them.

    A login in any address is hidden as well, whoever named it.
    """
    names = (*KEYS, *ADDRESSES, *(name.lower() for name in ADDRESSES))
    given = [(name.upper(), environ[name]) for name in names if environ.get(name)]
    if password := environ.get("ELASTICSEARCH_PASSWORD"):  # as a header has it
        login = f"{environ.get('ELASTICSEARCH_USERNAME', '')}:{password}"
        given.append((KEYS[0], _base64(login)))
    for pattern in _patterns(tuple(given)):
        text = pattern.sub(HIDDEN, text)
    return _LOGIN.sub(f"{HIDDEN}@", text)


def fits_header(value: str) -> bool:
    """Return whether a key can be sent; with a line break or beyond ASCII libraries fail, and show it."""
    return value.isascii() and value.isprintable()


@lru_cache(maxsize=8)
def _patterns(given: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], ...]:
    """Return what must not be seen, the longest first, so that none is left in part."""
    secrets = {
        part.strip() for name, value in given for secret in _secrets(name, value) for part in _forms(secret)
    }
    long = sorted(
        (secret for secret in secrets if len(secret) >= _SHORTEST), key=lambda one: (-len(one), one)
    )
    return tuple(re.compile(r"\\*".join(map(_written, secret)), re.IGNORECASE) for secret in long)


def _secrets(name: str, value: str) -> Iterator[str]:
    if name in KEYS:
        yield from (value, *value.splitlines())
        return
    for address in value.split(","):
        yield from (word for _, word in parse_qsl(address.partition("?")[2]))
        login, at, _ = address.rpartition("@")
        if at:
            login = login.partition("://")[2] or login
            yield from (login, login.partition(":")[2])


def _forms(secret: str) -> tuple[str, ...]:
    misread = secret.encode(errors="surrogateescape").decode("latin-1")
    return secret, unquote(secret), misread, _base64(secret), _base64(unquote(secret))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode(errors="surrogateescape")).decode()


def _written(letter: str) -> str:
    """Return a pattern of a letter as messages show it: as it is, escaped in any way, or as in an address.

    Quotes within quotes have more than one backslash, which the caller lets stand before each letter.
    """
    raw = letter.encode(errors="surrogateescape")
    escaped = (repr(letter)[1:-1], ascii(letter)[1:-1], json.dumps(letter)[1:-1], repr(raw)[2:-1])
    ways = {re.escape(one).replace(re.escape("\\"), r"\\+") for one in escaped if one != "\\\\"}
    ways |= {re.escape(letter), re.escape("".join(f"%{byte:02x}" for byte in raw))}
    if letter.isspace():
        ways |= {r"\s+", r"\+"}
    return f"(?:{'|'.join(sorted(ways, key=len, reverse=True))})"
