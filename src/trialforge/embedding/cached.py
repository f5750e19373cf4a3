"""A durable cache of vectors, so that one changed trial costs one embedding."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Encoder, Matrix

CACHE = Path(".trialforge/vectors.sqlite")
BLOCK = 512  # texts encoded between two commits: what a killed run can lose


class CachedEncoder:
    """An encoder that keeps each vector by the hash of its text and of the encoder."""

    def __init__(self, encoder: Encoder, path: Path = CACHE) -> None:
        self._encoder, self._path = encoder, path

    @property
    def digest(self) -> str:
        """Hash of all that decides a vector."""
        return self._encoder.digest

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._encoder.dimension

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one float32 row of length 1 for each text; only texts not yet seen are encoded."""
        keys = [self._key(text) for text in texts]
        first: dict[bytes, int] = {}
        for number, key in enumerate(keys):
            first.setdefault(key, number)
        with closing(self._open()) as cache:
            vectors = _read(cache, list(first))
            missing = [key for key in first if key not in vectors]
            for start in range(0, len(missing), BLOCK):
                block = missing[start : start + BLOCK]
                rows = self._encoder.encode([texts[first[key]] for key in block])
                vectors |= zip(block, rows, strict=True)
                with cache:
                    cache.executemany(
                        "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
                        [(key, row.astype("<f4").tobytes()) for key, row in zip(block, rows, strict=True)],
                    )
        if not keys:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return np.stack([vectors[key] for key in keys])

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.digest}\x1f{text}".encode(errors="surrogatepass")).digest()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        cache = sqlite3.connect(self._path, timeout=60)
        cache.execute("PRAGMA journal_mode = WAL")
        cache.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
        return cache


def _read(cache: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Matrix]:
    found: dict[bytes, Matrix] = {}
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK]
        marks = ", ".join("?" * len(block))
        query = f"SELECT key, vector FROM vectors WHERE key IN ({marks})"  # noqa: S608 only question marks
        found |= {key: np.frombuffer(row, dtype="<f4") for key, row in cache.execute(query, block)}
    return found
