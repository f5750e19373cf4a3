"""A durable cache of vectors, so that one changed trial costs one embedding.

A vector is kept with a checksum that ties it to its key: one that is damaged, or stands under another's key,
is computed again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trialforge.core.files import database_errors
from trialforge.core.pieces import map_as_completed, uses_cluster
from trialforge.core.progress import QUIET_SECONDS, Progress

if TYPE_CHECKING:
    from trialforge.embedding.encoder import Encoder, Matrix

logger = logging.getLogger(__name__)
CACHE = Path(".trialforge/vectors.sqlite")
BLOCK = 128  # texts encoded between two commits: what a killed run can lose


_TABLE = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
_CHECKSUM = 32  # bytes of SHA-256


class CachedEncoder:
    """An encoder that keeps each vector by the hash of its text and of the encoder.

    Where nothing may be written, as in a checkout on a read-only disk, it keeps none.

    Args:
        encoder: makes the vectors.
        path: where they are kept.
        elsewhere: does the same as the encoder's `encode` on any machine of a cluster; None works here only.
    """

    def __init__(
        self, encoder: Encoder, path: Path = CACHE, elsewhere: Callable[[Sequence[str]], Matrix] | None = None
    ) -> None:
        self._encoder, self._path, self._elsewhere = encoder, path, elsewhere

    @property
    def digest(self) -> str:
        """Hash of all that decides a vector."""
        return self._encoder.digest

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._encoder.dimension

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Matrix:
        """Return one float32 row of length 1 for each text; only texts not yet seen are encoded.

        Args:
            texts: what to encode.
            progress: of a larger work, in texts; by default this call has its own.

        Raises:
            ArtifactError: the cache is damaged as a whole.
            DiskError: the disk is full.
        """
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        if not self._writable:
            return self._encoder.encode(texts)
        keys = [self._key(text) for text in texts]
        first: dict[bytes, int] = {}
        for number, key in enumerate(keys):
            first.setdefault(key, number)
        with closing(self._open()) as cache:
            with self._translated():
                vectors = _read(cache, list(first))
            missing = [key for key in first if key not in vectors]
            known = len(texts) - len(missing)
            with nullcontext(progress) if progress else _progress(len(texts)) as progress:
                progress.advance(known, timed=False)
                blocks = [missing[start : start + BLOCK] for start in range(0, len(missing), BLOCK)]
                pieces = ([texts[first[key]] for key in block] for block in blocks)
                for number, rows in self._encode(pieces):
                    block = blocks[number]
                    vectors |= zip(block, rows, strict=True)
                    kept = [(key, _seal(key, row)) for key, row in zip(block, rows, strict=True)]
                    with self._translated(), cache:
                        cache.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", kept)
                    progress.advance(len(block))
        return np.stack([vectors[key] for key in keys])

    def _encode(self, pieces: Iterable[Sequence[str]]) -> Iterable[tuple[int, Matrix]]:
        if self._elsewhere is None or not uses_cluster():
            return enumerate(map(self._encoder.encode, pieces))
        return map_as_completed(self._elsewhere, pieces)

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.digest}\x1f{text}".encode(errors="surrogatepass")).digest()

    @cached_property
    def _writable(self) -> bool:
        place = self._path.absolute()
        folder = next(above for above in place.parents if above.exists())
        writable = all(os.access(path, os.W_OK) for path in (folder, place) if path.exists())
        if not writable:
            logger.warning("can't write %s: vectors are computed but not cached", self._path)
        return writable

    def _open(self) -> sqlite3.Connection:
        with self._translated():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            cache = sqlite3.connect(self._path, timeout=60)
            cache.execute("PRAGMA journal_mode = WAL")
            cache.execute(_TABLE)
        return cache

    def _translated(self) -> AbstractContextManager[None]:
        return database_errors(self._path, "vector cache")


def encode_parts(encoder: Encoder, parts: Iterable[Sequence[str]], total: int) -> Iterator[Matrix]:
    """Yield the vectors of each part of `total` texts; of long work it is told how long it will take."""
    if not isinstance(encoder, CachedEncoder):
        yield from map(encoder.encode, parts)
        return
    with _progress(total) as progress:
        for texts in parts:
            yield encoder.encode(texts, progress)


def _progress(total: int) -> Progress:
    return Progress("embedding", total, quiet_seconds=QUIET_SECONDS)


def _read(cache: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Matrix]:
    found: dict[bytes, Matrix] = {}
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK]
        marks = ", ".join("?" * len(block))
        query = f"SELECT key, CAST(vector AS BLOB) FROM vectors WHERE key IN ({marks})"  # noqa: S608 only question marks
        found |= {
            key: row for key, kept in cache.execute(query, block) if (row := _unseal(key, kept)) is not None
        }
    return found


def _seal(key: bytes, vector: Matrix) -> bytes:
    content = vector.astype("<f4").tobytes()
    return content + hashlib.sha256(key + content).digest()


def _unseal(key: bytes, kept: bytes | None) -> Matrix | None:
    content, checksum = (kept or b"")[:-_CHECKSUM], (kept or b"")[-_CHECKSUM:]
    whole = hashlib.sha256(key + content).digest() == checksum
    return np.frombuffer(content, dtype="<f4") if whole else None
