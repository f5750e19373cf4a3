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
    "ELASTICSEARCH_URL", "OLLAMA_HOST", "LLM_BASE_URL", "REGISTRY_URL", "HF_ENDPOINT", "HTTP_PROXY",
    "HTTPS_PROXY", "ALL_PROXY",
)  # fmt: skip
HIDDEN = "***"
# Shorter ones stand in other words too; they are hidden in addresses alone.
_SHORTEST = 4
_LOGIN = re.compile(r"(?<=://)[^\s/?#]*@")
_NEXT_ADDRESS = re.compile(r",(?=\s*[a-z][a-z0-9+.-]*://)", re.IGNORECASE)
# What an answer says after so many characters is no part of any message.
_LOOKED_AT = 20_000


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


def shorten(text: str, most: int) -> str:
    """Return the first characters of a foreign text, cut after hiding: half a secret is not recognised."""
    return hide_secrets(text[:_LOOKED_AT])[:most]


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
    # None begins between two backslashes: a long row of them would be read again from each.
    start, between = r"(?:(?<!\\)|(?!\\))", r"\\*"
    return tuple(re.compile(start + between.join(map(_written, one)), re.IGNORECASE) for one in long)


def _secrets(name: str, value: str) -> Iterator[str]:
    if name in KEYS:
        yield from (value, *value.splitlines())
        return
    # Commas stand between addresses, and may stand in a password.
    for address in (*_NEXT_ADDRESS.split(value), *value.split(",")):
        for part in re.split(r"[?#]", address)[1:]:
            words = parse_qsl(part, keep_blank_values=True)
            yield from (part, *(word if word.strip("=") else key for key, word in words))
        login, at, _ = address.rpartition("@")
        if at:
            login = login.partition("://")[2] or login
            for part in (login, *login.split(",")):
                yield from (part, part.partition(":")[2])


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
