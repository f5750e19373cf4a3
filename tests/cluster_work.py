"""Pieces of work that workers of a cluster import, and a run of some that ctrl-C may hit: FOLDER."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from trialforge.core.pieces import is_wanted, map_in_order
from trialforge.core.stage import run_stage
from trialforge.embedding.encoder import Matrix


def square_slowly(log: Path, number: int) -> int:
    """Square a number, and leave a line for each time that it is worked on."""
    with log.open("a") as file:
        file.write(f"{number}\n")
    time.sleep(0.05)
    return number * number


def fail_at_10(number: int) -> int:
    time.sleep(0.01)
    return 10 // (10 - number)


def die_at_0(number: int) -> None:
    if number == 0:
        os._exit(1)


def read_text(path: Path) -> str:
    return path.read_text()


def encode_slowly(texts: Sequence[str]) -> Matrix:
    time.sleep(0.05)
    return np.array([[len(text), 1] for text in texts], dtype=np.float32)


def wait_until_unwanted(folder: Path, number: int) -> None:
    """Work until nobody waits for the result, and leave a file at the start and at the end."""
    (folder / f"{number}.begun").touch()
    while is_wanted():
        time.sleep(0.05)
    (folder / f"{number}.freed").touch()


def main() -> None:
    list(map_in_order(partial(wait_until_unwanted, Path(sys.argv[1])), range(100)))


if __name__ == "__main__":
    run_stage(main)
