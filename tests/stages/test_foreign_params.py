"""A params.yaml from elsewhere: what it says never gets into a command or a path of DVC."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stages.small_run import BIN, ROOT, make_clone

GRAPH = yaml.safe_load((ROOT / "dvc.yaml").read_text())
TRAINED = ("data/train.parquet", "data/validation.parquet", "data/test.parquet", "data/synthetic.parquet")
TEMPLATE = re.compile(r"\$\{([^}]*)\}")


def templates(value: Any) -> set[str]:
    """What stands between `${` and `}` anywhere in a part of dvc.yaml, keys included."""
    if isinstance(value, dict):
        return set().union(*(templates(part) for pair in value.items() for part in pair))
    if isinstance(value, list):
        return set().union(*map(templates, value))
    return set(TEMPLATE.findall(str(value)))


def test_nothing_of_dvc_yaml_is_a_template() -> None:
    """DVC would put a value of params.yaml into the command as it stands."""
    assert templates(GRAPH) == set()
    assert "vars" not in GRAPH


def dvc(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}", "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["dvc", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


NAMES = [
    "x; touch RAN #",
    "$(touch RAN)",
    "`touch RAN`",
    "x | touch RAN",
    "x && touch RAN",
    "x\ntouch RAN\n",
    "x'; touch RAN; '",
    'x"; touch RAN; "',
    "--help; touch RAN",
    "../kept",
    "${learning.evil}",
]
ATTACKS: dict[str, list[Any]] = {
    "names": NAMES,
    "a mapping": [{"x; touch RAN #": "y; touch RAN #"}],
    "a list": [["x; touch RAN #", ["y; touch RAN #"]]],
}


def write_attack(folder: Path, names: list[Any]) -> None:
    """Write the names wherever params.yaml names something, and where DVC has names of its own."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    learning = params["learning"]
    learning |= {"evil": NAMES[0], "real_experiments": names, "synthetic_experiments": names, "models": names}
    for name in map(str, names):
        learning["experiments"][name] = [{"name": name, "generation_arm": name}]
        learning["classifiers"][name] = {"model": name}
    params["plan"]["arms"] = names
    params |= {"item": {"model": names[0]}, "key": names[0]}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_name_in_it_runs_or_removes_anything(attack: str, tmp_path: Path) -> None:
    folder = make_clone(tmp_path / "clone", {})
    dvc(folder, "init", "-q")
    write_attack(folder, ATTACKS[attack])
    for path in (*TRAINED, "data/generated.parquet"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(b"")
    # Where the outs of an experiment `../kept` would be.
    kept = [folder / "kept" / "x", folder / "models" / "kept" / "x", folder / "data" / "kept-x.parquet"]
    for file in kept:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    said = [dvc(folder, "status")]
    said.append(dvc(folder, "repro", "--single-item", "--force", "--keep-going", "train-real", "train"))
    assert not list(tmp_path.rglob("RAN")), said
    assert [path for path in kept if not path.exists()] == []
    assert "params.yaml: `learning" in said[-1]
