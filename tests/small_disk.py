"""Folders that nothing can be written to: the disk is full, or read-only."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def full_disk(folder: Path, *copied: Path) -> Iterator[Path]:
    """A disk with copies of files and folders, on which new ones can be made, but nothing written."""
    folder.mkdir(parents=True, exist_ok=True)
    with _mounted(folder, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        for path in copied:
            if path.is_dir():
                shutil.copytree(path, folder / path.name)
            else:
                shutil.copy(path, folder)
        with suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        yield folder


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """The folder with all that is in it, as on a disk that is mounted read-only."""
    folder.mkdir(parents=True, exist_ok=True)
    with _mounted(folder, "--bind", "-o", "ro", str(folder)):
        yield folder


@contextmanager
def _mounted(folder: Path, *arguments: str) -> Iterator[None]:
    done = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this user may not mount a disk: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
