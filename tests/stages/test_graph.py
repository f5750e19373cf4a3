"""dvc.yaml tells the truth: each stage declares just what its script imports and loads."""

from __future__ import annotations

import ast
import hashlib
import re
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def body(name: str) -> dict[str, Any]:
    """The stage itself; a matrix or foreach stage keeps its deps one level down or beside it."""
    return STAGES[name].get("do", STAGES[name])


def script_module(name: str) -> str:
    match = re.search(r"python -m (stages\.\w+)", body(name)["cmd"])
    assert match, f"stage {name} does not run a script of stages/"
    return match.group(1)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("trialforge", "stages", exclude_type_checking_imports=True, cache_dir=None)


def module_file(module: str) -> str:
    base = Path(*module.split("."))
    if module.startswith("trialforge"):
        base = Path("src") / base
    return str(base.with_suffix(".py"))


def is_package(module: str) -> bool:
    return (ROOT / module_file(module)).with_suffix("").is_dir()


def imported_files(graph: grimp.ImportGraph, module: str) -> set[str]:
    modules = {module} | graph.find_upstream_modules(module)
    return {module_file(found) for found in modules if not is_package(found)}


@pytest.mark.parametrize("name", STAGES)
def test_stage_declares_the_source_files_it_imports(name: str, graph: grimp.ImportGraph) -> None:
    declared = {dep for dep in body(name)["deps"] if dep.endswith(".py")}
    imported = imported_files(graph, script_module(name))
    assert declared == imported, f"deps of {name} should list\n      - " + "\n      - ".join(sorted(imported))


@pytest.mark.parametrize("name", STAGES)
def test_stage_declares_the_parameters_it_loads(name: str) -> None:
    tree = ast.parse((ROOT / module_file(script_module(name))).read_text())
    loaded = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = getattr(call.func, "id", getattr(call.func, "attr", None))
        if function == "load_section":
            loaded.add(ast.literal_eval(call.args[1]))
        elif function == "load_seed":
            loaded.add("seed")
    assert {key.split(".")[0] for key in body(name).get("params", [])} == loaded


def test_every_data_file_of_the_package_is_a_dependency_of_a_stage() -> None:
    """Templates and metric modules are read, not imported, so no import closure sees them."""
    declared = {dep for name in STAGES for dep in body(name)["deps"]}
    read = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc", ".typed"} and "__pycache__" not in path.parts
    }
    missing = {
        path for path in read if not any(path == dep or path.startswith(f"{dep}/") for dep in declared)
    }
    assert not missing


@pytest.mark.parametrize("folder", ["src/trialforge", "stages"])
def test_every_package_marker_is_empty(folder: str) -> None:
    """An import in an __init__.py would run code that no stage declares."""
    assert [path for path in (ROOT / folder).rglob("__init__.py") if path.read_text().strip()] == []


TEST_UNSEEN = ["index", "plan", "retrieve", "reason", "generate", "validate"]


@pytest.mark.parametrize("name", [name for name in TEST_UNSEEN if name in STAGES])
def test_no_stage_before_evaluation_reads_a_held_out_part(name: str) -> None:
    held_out = {"data/trials.parquet", "data/split.parquet", "data/validation.parquet", "data/test.parquet"}
    assert not held_out & set(body(name)["deps"])
    assert not any(path in body(name)["cmd"] for path in held_out)


def test_nothing_flows_back_from_asking_the_model_about_test_trials() -> None:
    readers = {name for name in STAGES if "data/zero_shot.parquet" in body(name)["deps"]}
    assert readers == {"score"}


def test_lock_is_of_the_source_files_that_are_committed() -> None:
    """A change that alters an out carries its dvc.lock: whoever clones sees the figures of this very code."""
    locked = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    stale = {
        (stage, dep["path"])
        for stage, entry in locked.items()
        for dep in entry["deps"]
        if dep["path"].endswith((".py", ".jinja"))
        and hashlib.md5((ROOT / dep["path"]).read_bytes()).hexdigest() != dep["md5"]
    }
    assert not stale, "run dvc repro and commit dvc.lock, metrics and plots"
