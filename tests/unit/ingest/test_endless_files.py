"""A file that never ends, or that unpacks to more than any memory holds, ends in an error that names it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
ASK = """
import resource, sys
from trialforge.app import cli, new_trials
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
for name in sys.argv[1:]:
    print(cli.run(["predict", name]), name, file=sys.stderr)
"""


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def bomb(path: Path) -> None:
    """More of one letter than the process may hold, in a few megabytes."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("NCT01234567.xml", "w") as file,
    ):
        for _ in range(1280):
            file.write(b" " * (1 << 20))


NAMES = ("trials.zip", "trials.json", "trials.jsonl.gz", "trials.xml")


@pytest.mark.parametrize("kind", [device, pipe, hole])
def test_a_file_without_an_end_is_refused(kind: Callable[[Path], None], tmp_path: Path) -> None:
    for name in NAMES:
        kind(tmp_path / name)
    assert_refused(tmp_path, *NAMES)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    bomb(tmp_path / "trials.zip")
    assert_refused(tmp_path, "trials.zip")


def assert_refused(folder: Path, *names: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, *names], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stderr
    for name in names:
        error, end, said = said.partition(f"\n1 {name}\n")
        assert end, done.stderr[-2000:]
        assert error.startswith("error: ")
        assert name in error
