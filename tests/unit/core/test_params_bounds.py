"""A file of parameters that would fill the memory is an error at once; the process may have little of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from trialforge.core.errors import ParameterError
from trialforge.core.params import Section, load_section, load_seed, read_params

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


class OneNumber(Section):
    value: int


def bomb(levels: int, *, width: int = 9) -> str:
    """Lists of lists of aliases: width ** levels values in a few lines."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


def merged(levels: int) -> str:
    """Mappings that merge others twice: what the parser itself would write out."""
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, levels)]
    return "\n".join(lines)


BOMBS = {
    "aliases": bomb(40),
    "merges": merged(60),
    "itself": "learning: &a [1, *a]",
    "itself as a key": "? &a {? *a : 1}\n: 2",
    "deep": "a: " + "[" * 20_000 + "]" * 20_000,
    "long": "a: 1\n" * 300_000,
    "no text": "a: \xff",
}
ASK = """
import resource
from pathlib import Path
from trialforge.core.stage import run_stage
from trialforge.core.params import load_section
from trialforge.learning.params import LearningParams
from trialforge.app.profile import apply_profile, read_profile

limit = 1 << 30
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
for way, read in {
    "stage": lambda: load_section(LearningParams, "learning"),
    "profile": lambda: read_profile("evil"),
    "params of a profile": lambda: apply_profile({"seed": 1}, Path("params.yaml")),
}.items():
    try:
        run_stage(read)
    except SystemExit as ended:
        print(f"{way} ended: {ended.code}")
"""
WAYS = {"stage": "params.yaml", "profile": "evil.yaml", "params of a profile": "params.yaml"}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_before_it_fills_the_memory(kind: str, tmp_path: Path) -> None:
    text = BOMBS[kind].encode("latin-1")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "params.yaml").write_bytes(text)
    (tmp_path / "profiles" / "evil.yaml").write_bytes(text)
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=tmp_path, env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    ends = [line for line in done.stdout.splitlines() if " ended: " in line]
    assert len(ends) == len(WAYS)
    for end, (way, file) in zip(ends, WAYS.items(), strict=True):
        assert end.startswith(f"{way} ended: error: ")
        assert file in end


def test_an_endless_file_is_read_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").symlink_to("/dev/zero")
    with pytest.raises(ParameterError, match=r"params\.yaml"):
        read_params(tmp_path / "params.yaml")


def test_a_few_aliases_are_what_people_write(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: [1, 2]}\nb: *a\nc: {<<: *a, x: 2}\n"
    (tmp_path / "params.yaml").write_text(text)
    assert read_params(tmp_path / "params.yaml") == yaml.safe_load(text)
    for path in (ROOT / "profiles").glob("*.yaml"):
        assert read_params(path) == yaml.safe_load(path.read_text())
    assert read_params(ROOT / "params.yaml") == yaml.safe_load((ROOT / "params.yaml").read_text())


ODD = {
    "no day": "2024-99-99",
    "no time zone": "2024-01-01T00:00:00+99:99",
    "no moment": '!!timestamp "x"',
    "a long number": "9" * 5_000,
    "a long number in hexadecimals": f"0x{'f' * 5_000}",
    "a long number of minutes": f"1{':1' * 300}.5",
    "no number": '!!int "abc"',
    "an empty number": '!!int ""',
    "no fraction": '!!float "abc"',
    "no truth": '!!bool "x"',
    "no bytes": '!!binary "é"',
    "a list as a key": "{[1, {a: 1}]: 1}",
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("read", [load_seed, lambda path: load_section(OneNumber, "seed", path)])
def test_a_value_that_is_none_of_its_type_is_an_error_that_names_the_file(
    read: Callable[[Path], object], kind: str, tmp_path: Path
) -> None:
    (tmp_path / "params.yaml").write_text(f"seed: {ODD[kind]}\n", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"params\.yaml"):
        read(tmp_path / "params.yaml")


def test_a_seed_has_the_length_of_one(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(f"seed: {2**64 - 1}\n")
    assert load_seed(tmp_path / "params.yaml") == 2**64 - 1
