"""What a disk refuses is an error that names the path, what was kept, and what to do."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.small_disk import full_disk, read_only
from trialforge.app import cli
from trialforge.core.errors import DiskError
from trialforge.core.files import (
    atomic_path,
    disk_errors,
    write_csv,
    write_json,
    write_parquet,
    write_text,
)
from trialforge.core.stage import run_stage

ROOT = Path(__file__).resolve().parents[3]
FRAME = pl.DataFrame({"number": np.random.default_rng(0).normal(size=10_000)})
WRITERS: dict[str, Callable[[Path], None]] = {
    "text": lambda path: write_text("x" * 100_000, path),
    "json": lambda path: write_json(["x" * 100_000], path),
    "csv": lambda path: write_csv(FRAME, path),
    "parquet": lambda path: write_parquet(FRAME, path),
}


def save_array(path: Path) -> None:
    with disk_errors(path):
        np.save(path, np.zeros(10_000))


@pytest.mark.parametrize("kind", WRITERS)
def test_full_disk_is_named_with_the_file_and_leaves_the_old_one(tmp_path: Path, kind: str) -> None:
    with full_disk(tmp_path / "disk") as disk:
        path = disk / "file"
        path.touch()
        with pytest.raises(DiskError, match=rf"no space left on the disk of {path}: .* is kept") as caught:
            WRITERS[kind](path)
        assert "free space on that disk" in str(caught.value.hint)
        assert sorted(left.name for left in disk.iterdir()) == ["file", "filler"]
        assert path.read_bytes() == b""


def test_array_that_finds_no_room(tmp_path: Path) -> None:
    with (
        full_disk(tmp_path / "disk") as disk,
        pytest.raises(DiskError, match=rf"no space left on the disk of {disk / 'a.npy'}"),
    ):
        save_array(disk / "a.npy")


@pytest.mark.parametrize("kind", WRITERS)
def test_read_only_disk_is_named(tmp_path: Path, kind: str) -> None:
    with read_only(tmp_path / "disk") as disk:
        with pytest.raises(DiskError, match=rf"{disk / 'file'} can't be used: Read-only") as caught:
            WRITERS[kind](disk / "file")
        assert "read-only disk" in str(caught.value.hint)
        with pytest.raises(DiskError, match=rf"{disk / 'new'} can't be used: Read-only"):
            WRITERS[kind](disk / "new" / "file")


def test_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(DiskError, match=rf"{tmp_path / 'data'} can't be used"):
        write_text("x", tmp_path / "data" / "file")


def test_another_error_of_a_table_is_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(pl.exceptions.ColumnNotFoundError), disk_errors(tmp_path / "file"):
        FRAME.select("absent")


def test_failed_block_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyError), atomic_path(tmp_path / "file"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_stage_that_may_not_read_ends_in_two_lines() -> None:
    def refuse() -> None:  # as root nothing is refused for want of a right
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere/closed")

    with pytest.raises(SystemExit) as caught:
        run_stage(refuse)
    first, mend = str(caught.value.code).splitlines()
    assert first.startswith("error: /somewhere/closed can't be used: Permission denied")
    assert mend.startswith("  next: give this user permission")


def test_command_that_finds_no_room_ends_in_two_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with full_disk(tmp_path / "disk", ROOT / "params.yaml", ROOT / "profiles") as disk:
        monkeypatch.chdir(disk)
        before = (disk / "params.yaml").read_text()
        assert cli.run(["profile", "real"]) == 1
        assert (disk / "params.yaml").read_text() == before
    first, mend = capsys.readouterr().err.splitlines()
    assert first.startswith("error: no space left on the disk of params.yaml")
    assert mend.startswith("  next: free space")
