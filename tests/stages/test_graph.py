"""dvc.yaml tells the truth: each stage declares just what its script imports and loads."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml
from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[2]
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def script_module(name: str) -> str:
    match = re.search(r"python -m (stages\.\w+)", STAGES[name]["cmd"])
    assert match, f"stage {name} does not run a script of stages/"
    return match.group(1)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("trialforge", "stages", exclude_type_checking_imports=False, cache_dir=None)


def module_file(module: str) -> str:
    base = Path(*module.split("."))
    if module.startswith("trialforge"):
        base = Path("src") / base
    return str(base.with_suffix(".py"))


def imported_packages(graph: grimp.ImportGraph, module: str) -> set[str]:
    """The folders of the packages that a module imports, directly or through others."""
    parts = (name.split(".") for name in graph.find_upstream_modules(module))
    return {f"src/trialforge/{names[1]}" for names in parts if names[0] == "trialforge" and len(names) > 1}


@pytest.mark.parametrize("name", STAGES)
def test_stage_declares_its_script_and_the_packages_it_imports(name: str, graph: grimp.ImportGraph) -> None:
    declared = {dep for dep in STAGES[name]["deps"] if dep.startswith(("src/", "stages/"))}
    script = script_module(name)
    expected = {module_file(script)} | imported_packages(graph, script)
    assert declared == expected, f"deps of {name} should list\n      - " + "\n      - ".join(sorted(expected))


MOST_CODE_ENTRIES = 75  # five a stage


def test_deps_name_few_packages() -> None:
    """Each package that a stage imports is one more that reruns it."""
    entries = [dep for name in STAGES for dep in STAGES[name]["deps"] if dep.startswith(("src/", "stages/"))]
    assert len(entries) <= MOST_CODE_ENTRIES


def test_no_two_packages_import_each_other(graph: grimp.ImportGraph) -> None:
    """Type-only imports count: who reads one package must not have to read the other first."""
    packages = sorted(graph.find_children("trialforge"))
    arrows = {
        (importer.split(".")[1], imported.split(".")[1])
        for package in packages
        for importer in graph.find_descendants(package)
        for imported in graph.find_modules_directly_imported_by(importer)
        if imported.count(".") and imported.split(".")[1] != importer.split(".")[1]
    }
    assert {pair for pair in arrows if pair[::-1] in arrows} == set()


def test_no_module_is_in_a_circle_of_imports(graph: grimp.ImportGraph) -> None:
    circles = [module for module in graph.modules if module in graph.find_upstream_modules(module) - {module}]
    reached = {
        module
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
        if module in graph.find_upstream_modules(imported)
    }
    assert circles == []
    assert reached == set()


def loaded_sections(name: str) -> dict[str, type[BaseModel] | None]:
    """The sections of params.yaml that a stage's script loads, each with the model that checks it."""
    script = importlib.import_module(script_module(name))
    tree = ast.parse((ROOT / module_file(script_module(name))).read_text())
    loaded: dict[str, type[BaseModel] | None] = {}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = getattr(call.func, "id", getattr(call.func, "attr", None))
        if function == "load_section":
            loaded[ast.literal_eval(call.args[1])] = getattr(script, ast.unparse(call.args[0]))
        elif function == "load_seed":
            loaded["seed"] = None
    return loaded


def key_paths(model: type[BaseModel], prefix: str) -> set[str]:
    """The keys of a section, those of sections within it one by one."""
    found = set()
    for name, field in model.model_fields.items():
        inner, path = field.annotation, f"{prefix}.{name}"
        nested = isinstance(inner, type) and issubclass(inner, BaseModel)
        found |= key_paths(inner, path) if nested and isinstance(inner, type) else {path}
    return found


@pytest.mark.parametrize("name", STAGES)
def test_stage_declares_the_parameters_it_loads(name: str) -> None:
    declared = {key.split(".")[0] for key in STAGES[name].get("params", [])}
    # Whoever depends on the whole file names no section of it.
    loaded = set() if "params.yaml" in STAGES[name]["deps"] else set(loaded_sections(name))
    assert declared == loaded


# Keys that a stage may read and no out depends on: speed, where a server keeps an index, and what the
# other of two stages or the stage `score` reads.
SPEED = {
    f"llm.{key}"
    for key in (
        "slots",
        "threads",
        "workers",
        "keep_alive",
        "connect_seconds",
        "read_seconds",
        "call_seconds",
    )
}
SERVER = {
    f"retrieval.elasticsearch.{key}"
    for key in (
        *("keep_indices", "chunk_size", "bulk_threads", "timeout", "retries", "backoff", "max_backoff"),
        "sniff",
    )
}
UNDECLARED = {
    "index": SERVER,
    "retrieve": {"retrieval.elasticsearch"},
    **dict.fromkeys(("reason", "generate", "zero-shot"), SPEED),
    "train-real": {"learning.synthetic_experiments", "learning.statistics"},
    "train": {"learning.real_experiments", "learning.statistics"},
    "worth": {
        f"learning.{key}"
        for key in (
            "seeds",
            "real_experiments",
            "synthetic_experiments",
            "models",
            "experiments",
            "statistics",
        )
    },
    "report": {"report"},  # params.yaml as a whole is its dependency
}


@pytest.mark.parametrize("name", STAGES)
def test_every_key_of_a_loaded_section_is_declared_or_changes_no_out(name: str) -> None:
    """A new key is declared with the stages that load it, or named above as one that no out depends on."""
    declared = STAGES[name].get("params", [])
    loaded = {
        path
        for section, model in loaded_sections(name).items()
        if model is not None
        for path in key_paths(model, section)
    }
    named = {*declared, *UNDECLARED.get(name, ())}
    assert {path for path in loaded if not any(f"{path}.".startswith(f"{key}.") for key in named)} == set()
    # What is named and no longer loaded would hide a key that is.
    assert {
        key for key in UNDECLARED.get(name, ()) if not any(path.startswith(key) for path in loaded)
    } == set()


def test_every_data_file_of_the_package_is_a_dependency_of_a_stage() -> None:
    """Templates and metric modules are read, not imported, so no import closure sees them."""
    declared = {dep for name in STAGES for dep in STAGES[name]["deps"]}
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
    names = ("trials", "split", "held_back", "held_back_drafts", "validation", "test")
    held_out = {f"data/{name}.parquet" for name in names}
    assert not held_out & set(STAGES[name]["deps"])
    assert not any(path in STAGES[name]["cmd"] for path in held_out)


def test_nothing_flows_back_from_asking_the_model_about_test_trials() -> None:
    readers = {name for name in STAGES if "data/zero_shot.parquet" in STAGES[name]["deps"]}
    assert readers == {"score"}
