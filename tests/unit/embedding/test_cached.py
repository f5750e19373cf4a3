from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from trialforge.core.errors import ArtifactError
from trialforge.embedding.cached import CachedEncoder


class CountingEncoder:
    """A text's vector points along its length modulo 3; texts asked for are kept."""

    def __init__(self, digest: str = "one", fail_after: int | None = None) -> None:
        self.digest, self.dimension = digest, 3
        self.asked: list[str] = []
        self._fail_after = fail_after

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if self._fail_after is not None and len(self.asked) >= self._fail_after:
            raise KeyboardInterrupt
        self.asked += texts
        return np.eye(3, dtype=np.float32)[[len(text) % 3 for text in texts]]


def test_only_unseen_texts_are_encoded(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    cached = CachedEncoder(encoder, tmp_path / "a" / "vectors.sqlite")
    first = cached.encode(["a", "bb", "a"])
    again = cached.encode(["bb", "ccc", "a"])
    assert encoder.asked == ["a", "bb", "ccc"]
    assert first.argmax(axis=1).tolist() == [1, 2, 1]
    assert again.argmax(axis=1).tolist() == [2, 0, 1]


def test_another_model_has_its_own_vectors(tmp_path: Path) -> None:
    path = tmp_path / "vectors.sqlite"
    CachedEncoder(CountingEncoder("one"), path).encode(["a"])
    other = CountingEncoder("two")
    CachedEncoder(other, path).encode(["a"])
    assert other.asked == ["a"]


def test_killed_run_keeps_what_it_paid_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trialforge.embedding.cached.BLOCK", 2)
    path = tmp_path / "vectors.sqlite"
    texts = ["a", "bb", "ccc", "dddd"]
    with pytest.raises(KeyboardInterrupt):
        CachedEncoder(CountingEncoder(fail_after=2), path).encode(texts)
    rest = CountingEncoder()
    CachedEncoder(rest, path).encode(texts)
    assert rest.asked == ["ccc", "dddd"]


def test_no_texts_give_no_rows(tmp_path: Path) -> None:
    assert CachedEncoder(CountingEncoder(), tmp_path / "v.sqlite").encode([]).shape == (0, 3)


TEXTS = [f"{'x' * number} text" for number in range(40)]
SQL = {
    "another vector's bytes": "UPDATE vectors SET vector = (SELECT max(vector) FROM vectors)",
    "two exchanged": "UPDATE vectors SET vector = CASE key WHEN :one THEN"
    " (SELECT vector FROM vectors WHERE key = :other) ELSE"
    " (SELECT vector FROM vectors WHERE key = :one) END WHERE key IN (:one, :other)",
    "cut": "UPDATE vectors SET vector = substr(vector, 1, length(vector) - 4)",
    "longer": "UPDATE vectors SET vector = vector || x'00000000'",
    "no checksum": "UPDATE vectors SET vector = substr(vector, 1, 12)",
    "another dimension": "UPDATE vectors SET vector = zeroblob(4 * 7 + 32)",
    "zeros": "UPDATE vectors SET vector = zeroblob(length(vector))",
    "empty": "UPDATE vectors SET vector = x''",
    "null": "UPDATE vectors SET vector = NULL",
    "text": "UPDATE vectors SET vector = 'no vector at all, but long enough to have a checksum'",
    "a number": "UPDATE vectors SET vector = 3.5",
    "another key": "UPDATE vectors SET key = :unknown WHERE key = :one",
    "none left": "DELETE FROM vectors",
}


def run_sql(statement: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path)) as base, base:
            keys = [key for (key,) in base.execute("SELECT key FROM vectors ORDER BY key")]
            base.execute(statement, {"one": keys[0], "other": keys[1], "unknown": b"k" * 32})

    return damage


def flip_bit(path: Path) -> None:
    """In the last byte but nine of each kept vector: in the vector, and in its checksum."""
    with closing(sqlite3.connect(path)) as base, base:
        rows = base.execute("SELECT key, vector FROM vectors ORDER BY key").fetchall()
        for number, (key, kept) in enumerate(rows):
            place = number % len(kept)
            flipped = kept[:place] + bytes([kept[place] ^ 1]) + kept[place + 1 :]
            base.execute("UPDATE vectors SET vector = ? WHERE key = ?", (flipped, key))


def cut_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty_file(path: Path) -> None:
    path.write_bytes(b"")


def replace_file(path: Path) -> None:
    path.write_text("no database " * 1000)


def scribble_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for start in range(4096, len(content), 512):
        content[start : start + 64] = b"\xff" * 64
    path.write_bytes(content)


def add_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").write_bytes(b"no log " * 1000)


FILES = [flip_bit, cut_file, empty_file, replace_file, scribble_pages, add_log]
DAMAGES = {name: run_sql(statement) for name, statement in SQL.items()} | {
    damage.__name__: damage for damage in FILES
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_cache_never_changes_a_vector(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "vectors.sqlite"
    whole = CachedEncoder(CountingEncoder(), path).encode(TEXTS)
    DAMAGES[kind](path)
    try:
        found = CachedEncoder(CountingEncoder(), path).encode(TEXTS)
    except ArtifactError as error:  # of a file that is no database any more
        refused = str(error)
        path.unlink()
        found = CachedEncoder(CountingEncoder(), path).encode(TEXTS)
    else:
        refused = None
    assert refused is None or f"next: move {path} away" in refused
    np.testing.assert_array_equal(found, whole)
    again = CountingEncoder()
    np.testing.assert_array_equal(CachedEncoder(again, path).encode(TEXTS), whole)
    assert again.asked == []
