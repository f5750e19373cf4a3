"""What turns text into vectors, as the rest of the pipeline sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


class Encoder(Protocol):
    """Text to vectors: the same text gives the same vector, whatever it is encoded with."""

    @property
    def digest(self) -> str:
        """Hash of all that decides a vector: weights, tokeniser, pooling and window."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return one float32 row of length 1 for each text, in the order given."""
