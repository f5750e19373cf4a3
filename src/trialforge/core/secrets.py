"""What may go into a request and never into a message: keys, passwords, and addresses that hold them."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote

KEYS = (
    "ELASTICSEARCH_API_KEY", "ELASTICSEARCH_PASSWORD", "OLLAMA_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN",
)  # fmt: skip
ADDRESSES = (
    "ELASTICSEARCH_URL",
    "OLLAMA_HOST",
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
    given = tuple((name.upper(), environ[name]) for name in names if environ.get(name))
    for spelling in _spellings(given):
        text = text.replace(spelling, HIDDEN)
    return _LOGIN.sub(f"{HIDDEN}@", text)


def fits_header(value: str) -> bool:
    """Return whether a key can be sent: a line break or a letter beyond ASCII makes libraries fail, key in hand."""
    return value.isascii() and value.isprintable()


@lru_cache(maxsize=8)
def _spellings(given: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Return all that must not be seen, the longest first, so that none is left in part."""
    secrets = {secret for name, value in given for secret in _secrets(name, value)}
    found = {spelling for secret in secrets for spelling in _written(secret)}
    return tuple(sorted((one for one in found if len(one) >= _SHORTEST), key=lambda one: (-len(one), one)))


def _secrets(name: str, value: str) -> Iterator[str]:
    if name in KEYS:
        yield from (value, *value.splitlines())
        return
    for address in value.split(","):
        login, at, _ = address.rpartition("@")
        if at:
            login = login.partition("://")[2] or login
            user, _, password = login.partition(":")
            yield from (login, password)
            yield base64.b64encode(unquote(login).encode()).decode()
            if not password:
                yield user


def _written(secret: str) -> Iterator[str]:
    """Yield a secret as it is, and as messages show it: quoted, escaped, on one line, as part of an address."""
    for plain in (secret, secret.strip(), unquote(secret)):
        yield from (plain, " ".join(plain.split()), quote(plain), quote(plain, safe=""), quote_plus(plain))
        yield from (repr(plain)[1:-1], json.dumps(plain)[1:-1], ascii(plain)[1:-1])
        yield repr(plain.encode(errors="surrogateescape"))[2:-1]
        yield base64.b64encode(plain.encode(errors="surrogateescape")).decode()
