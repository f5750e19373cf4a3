"""Which characters a text may hold, so that every file can take it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

# All but the characters of XML 1.0 (production Char): control characters, halves of a surrogate pair. Polars
# and `re` read it alike.
NO_TEXT = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


def is_text(answer: str) -> bool:
    """Return whether an answer, and if it is JSON each string in it, holds only what a text may hold.

    JSON can hide half of a surrogate pair behind an escape, and a schema lets that through.
    """
    if re.search(NO_TEXT, answer):
        return False
    if "\\" not in answer:
        return True
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return True  # no JSON: who asked for it will say so
    return not any(re.search(NO_TEXT, text) for text in _strings(value))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        yield from itertools.chain.from_iterable(map(_strings, value.values()))
    elif isinstance(value, list):
        yield from itertools.chain.from_iterable(map(_strings, value))
