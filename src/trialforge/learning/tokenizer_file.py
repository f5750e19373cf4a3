"""The tokeniser of a foreign encoder: what could crash its library or fill the memory is refused."""

from __future__ import annotations

import base64
import json
from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialforge.core.errors import LearningError
from trialforge.learning.storage import read_value

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# How many times as long a text may become before it is cut: far more than encoders make it.
MOST_GROWTH = 200
# Of the JSON that says which tokens are put around a text.
MOST_AROUND = 10_000
# What a step can make of one letter; a step that is not here can be repeated to any length. Normal forms and
# small letters change nothing the second time.
GROWTH = {
    "normalizer": {
        "BertNormalizer": 3, "NFC": 1, "NFD": 1, "NFKC": 1, "NFKD": 1, "Nmt": 1, "Lowercase": 1, "Strip": 1,
        "StripAccents": 1,
    },
    "pre_tokenizer": {
        "BertPreTokenizer": 1, "ByteLevel": 4, "CharDelimiterSplit": 1, "Digits": 1, "Metaspace": 2,
        "Punctuation": 1, "Split": 1, "UnicodeScripts": 1, "Whitespace": 1, "WhitespaceSplit": 1,
    },
}  # fmt: skip


def read_tokenizer(path: Path, words: int) -> tuple[Tokenizer, int]:
    """Return the tokeniser and the number of its padding token.

    Args:
        path: of the JSON that `tokenizers` writes.
        words: how many tokens the encoder knows.

    Raises:
        LearningError: the file is absent or too long, or a text could grow beyond all bounds.
    """
    from tokenizers import Tokenizer

    parts = read_value(path, dict[str, Any])
    if prod(_growth(parts.get(step), step, path) for step in GROWTH) > MOST_GROWTH:
        raise LearningError(f"{path}: it could make a text more than {MOST_GROWTH} times as long")
    if len(json.dumps(parts.get("post_processor"))) > MOST_AROUND:
        raise LearningError(f"{path}: `post_processor` is too long")
    tokenizer = Tokenizer.from_str(json.dumps(parts))  # what was looked at, and no second value of a key
    pad = (tokenizer.padding or {})["pad_id"]
    tokenizer.no_padding()
    ids = [pad, *tokenizer.get_vocab().values(), *tokenizer.encode("").ids]
    if max(ids) >= words:
        raise LearningError(f"{path}: token {max(ids)} is beyond the {words} that the encoder knows")
    return tokenizer, pad


def _growth(step: Any, kind: str, path: Path) -> int:
    """Return how many times as long a step can make a text."""
    match step:
        case None:
            return 1
        case {"type": "Sequence", "normalizers": list(inner)} | {
            "type": "Sequence",
            "pretokenizers": list(inner),
        }:
            return prod(_growth(one, kind, path) for one in inner)
        case {"type": "Replace", "pattern": {"String": str(old)}, "content": str(new)} if old:
            return max(1, ceil(len(new) / len(old)))
        case {
            "type": "Replace",
            "content": str(new),
        }:  # its pattern may find nothing, between any two letters
            return 1 + len(new)
        case {"type": "Precompiled", "precompiled_charsmap": str(packed)}:
            return _longest(base64.b64decode(packed))
        case {"type": str(name)} if name in GROWTH[kind]:
            return GROWTH[kind][name]
    raise LearningError(f"{path}: `{kind}` has a step that no encoder needs")


def _longest(charsmap: bytes) -> int:
    """Return the length of the longest text that replaces a letter: such texts stand behind the tree."""
    start = 4 + int.from_bytes(charsmap[:4], "little")
    return max(1, *(len(text.decode(errors="replace")) for text in charsmap[start:].split(b"\0")))
