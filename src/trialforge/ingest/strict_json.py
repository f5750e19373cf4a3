"""JSON without its soft spots: no NaN, no key twice, no lone surrogate, no bottomless nesting."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from trialforge.ingest.raw import MAX_DEPTH, RecordError


def load_json(data: bytes) -> Any:
    """Return the value of a UTF-8 JSON text.

    Raises:
        RecordError: it is malformed, or only a lenient reader would take it.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordError("wrong-encoding", f"no UTF-8: {error}") from error
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise RecordError("nesting", f"values nest deeper than {MAX_DEPTH}") from error
    except ValueError as error:  # of json, and of int() for a number of thousands of digits
        raise RecordError("malformed-json", str(error)) from error
    if _depth_exceeds(value, MAX_DEPTH):
        raise RecordError("nesting", f"values nest deeper than {MAX_DEPTH}")
    # Only an escape can bring in half a surrogate pair; the text itself was valid UTF-8.
    if "\\u" in text:
        _refuse_surrogates(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RecordError("duplicate-key", f"an object has the key {twice[:40]!r} twice")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise RecordError("not-a-number", f"{name} is no JSON value")


def _depth_exceeds(value: Any, allowed: int) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return allowed == 0 or any(
        _depth_exceeds(item, allowed - 1) for item in value if isinstance(item, dict | list)
    )


def _refuse_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise RecordError("lone-surrogate", f"half of a surrogate pair: {error}") from error
