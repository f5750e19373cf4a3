from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

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
