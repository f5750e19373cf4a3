"""Named random streams: each use has its own, so that one more draw here moves nothing there."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 31-bit seed for the named use; it fits every library's seed argument."""
    key = "\x1f".join([str(seed), *map(str, names)])
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 33


def random_stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return an independent generator for the named use."""
    return np.random.default_rng(derive_seed(seed, *names))
