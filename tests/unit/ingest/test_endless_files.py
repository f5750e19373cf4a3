"""A file that never ends, or that unpacks to more than any memory holds, ends in an error that names it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ASK = """
import resource, sys
from trialforge.app import cli, new_trials
resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
sys.exit(cli.run(["predict", sys.argv[1]]))
"""


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def bomb(path: Path) -> None:
    """Four gigabytes of one letter in a few megabytes."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("NCT01234567.xml", "w", force_zip64=True) as file,
    ):
        for _ in range(4096):
            file.write(b" " * (1 << 20))


@pytest.mark.parametrize("name", ["trials.zip", "trials.json", "trials.jsonl.gz", "trials.xml"])
@pytest.mark.parametrize("kind", [device, pipe, hole])
def test_a_file_without_an_end_is_refused(kind: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    kind(tmp_path / name)
    assert_refused(name, tmp_path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    bomb(tmp_path / "trials.zip")
    assert_refused("trials.zip", tmp_path)


def assert_refused(name: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, name], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr[-2000:]
    assert name in done.stderr
