"""A file that a stage writes is the whole new one or the whole old one, whatever ends the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from trialforge.core.errors import ArtifactError
from trialforge.core.files import count_rows, read_json, read_where, write_json

# Writes half of the new content, says so, and waits to be killed.
HALF = """
import sys, time
from pathlib import Path
from trialforge.core.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    with temporary.open("w") as file:
        file.write('{"new": ')
        file.flush()
        print("half", flush=True)
        time.sleep(60)
"""


def test_a_process_killed_in_mid_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json({"old": 1}, path)
    with subprocess.Popen([sys.executable, "-c", HALF, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"half\n"
        writer.kill()
    assert read_json(path) == {"old": 1}
    (left,) = (found for found in tmp_path.iterdir() if found != path)
    assert left.read_text() == '{"new": '  # what was half written has another name
    write_json({"new": 1}, path)
    assert read_json(path) == {"new": 1}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [1.0, -float("inf")]}])
def test_a_number_that_json_lacks_is_refused_before_anything_is_written(
    tmp_path: Path, value: object
) -> None:
    path = tmp_path / "metrics.json"
    write_json({"old": 1}, path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(value, path)
    assert read_json(path) == {"old": 1}
    assert [found.name for found in tmp_path.iterdir()] == ["metrics.json"]


def test_keys_are_sorted_so_that_equal_values_are_equal_bytes(tmp_path: Path) -> None:
    write_json({"b": 1, "a": {"d": 2, "c": 3}}, tmp_path / "one.json")
    write_json({"a": {"c": 3, "d": 2}, "b": 1}, tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_rows_are_chosen_by_their_place_and_by_what_they_say(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pl.DataFrame({"name": list("abcdefgh")}).write_parquet(path, row_group_size=3)
    assert read_where(path, pl.col("row").is_in([1, 6]))["name"].to_list() == ["b", "g"]
    assert read_where(path, pl.col("name") > "f")["name"].to_list() == ["g", "h"]
    assert count_rows(path) == 8


def test_a_table_that_is_damaged_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pl.DataFrame({"name": [str(number**5) for number in range(9999)]}).write_parquet(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"table\.parquet can't be read") as caught:
        read_where(path, pl.col("row") > 3)
    assert caught.value.hint == f"run: dvc repro {path}"


# Prints by how many MB reading a few rows of a table of 120 MB makes a process grow.
GROWTH = """
import sys
from pathlib import Path
import polars as pl
from trialforge.core.files import read_where

def used() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024

path = Path(sys.argv[1])
read_where(path, pl.col("row") < 1)
before = used()
kept = [read_where(path, pl.col("row") % 5000 == number) for number in range(8)]
print(used() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="memory is read from /proc")
def test_the_rows_that_were_not_chosen_do_not_stay_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    text = pl.format("{}" + "word " * 600, pl.int_range(40_000))
    pl.select(text.alias("text")).write_parquet(path, row_group_size=5000)
    grown = subprocess.run(
        [sys.executable, "-c", GROWTH, str(path)], capture_output=True, text=True, check=True
    )
    assert int(grown.stdout) < 200  # 8 frames that each hold on to the table would be 960
