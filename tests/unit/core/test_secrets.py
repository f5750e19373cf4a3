"""What is installed is pinned and named, no code runs what it reads, and no secret is tracked."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN = {
    "torch.load",
    "torch.serialization.load",
    "torch.jit.load",
    "pandas.read_pickle",
    "polars.DataFrame.deserialize",
    "allow_pickle=True",  # without it numpy refuses
    "yaml.load",
    "yaml.unsafe_load",
    "eval",
    "exec",
}
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "stages").rglob("*.py")])
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|"
    r"\bhf_[A-Za-z0-9]{30,}\b|"
    r"https?://[^\s/:@{}$]+:[^\s/@{}$]+@"
)


def unsafe_uses(source: str) -> list[str]:
    """The imports and uses that could run what a file holds, whatever they are called here."""
    nodes = list(ast.walk(ast.parse(source)))
    known = known_names(nodes)
    names = {full_name(node, known) for node in nodes if isinstance(node, ast.Name | ast.Attribute)}
    names |= set(known.values())
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Call):
            names |= {f"{word.arg}={ast.unparse(word.value)}" for word in node.keywords}
            if full_name(node.func, known) in {"__import__", "importlib.import_module"}:
                names |= {word.value for word in node.args if isinstance(word, ast.Constant)}
    return sorted(name for name in names if set(name.split(".")) & FORBIDDEN_MODULES or name in FORBIDDEN)


def known_names(nodes: list[ast.AST]) -> dict[str, str]:
    """A name of the file -> what an import lets it stand for."""
    known: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                known[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def full_name(node: ast.expr, known: dict[str, str]) -> str:
    """`t.load` -> `torch.load` where the file has `import torch as t`."""
    first, dot, rest = ast.unparse(node).partition(".")
    return f"{known.get(first, first)}{dot}{rest}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    assert unsafe_uses(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, pickle as os_path",
        "from joblib import load",
        "from sklearn.externals import joblib",
        "import torch\ntorch.load('x')",
        "import torch as t\nt.load('x')",
        "from torch import load",
        "from torch import load as read\nread('x')",
        "import torch\nread = torch.load\nread('x')",
        "import torch\nmap(torch.load, paths)",
        "import torch.serialization as s\ns.load('x')",
        "from torch import serialization\nserialization.load('x')",
        "import pandas as pd\npd.read_pickle('x')",
        "import polars\npolars.DataFrame.deserialize('x')",
        "from yaml import unsafe_load",
        "__import__('pickle')",
        "import importlib\nimportlib.import_module('pickle')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "eval('1')",
    ],
)
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    assert unsafe_uses(source)


@pytest.mark.parametrize(
    "source",
    ["import json\njson.load(file)", "import yaml\nyaml.safe_load('x')", "import numpy as np\nnp.load('x')"],
)
def test_the_search_leaves_what_is_safe(source: str) -> None:
    assert unsafe_uses(source) == []


def test_no_secret_is_tracked() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name for name in listed.decode().split("\0") if name and not name.startswith("tests/")]
    leaked = [
        path.name
        for path in files
        if path.is_file() and SECRET.search(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert leaked == []


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DIRECT = [
    re.split(r"[<>=!~ \[;]", line)[0].lower()
    for line in [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["models"]]
]
LOCKED = re.findall(
    r"^([a-z0-9][a-z0-9._-]*)==(?:[^\n]*\\\n)((?: +--hash=sha256:[0-9a-f]{64}[ \\]*\n)+)",
    (ROOT / "requirements.lock").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)


def test_each_locked_package_has_its_hashes() -> None:
    pins = re.findall(r"^\S+==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(LOCKED) == len(pins) > 100


@pytest.mark.parametrize("name", DIRECT)
def test_each_package_that_is_asked_for_is_locked_and_its_licence_named(name: str) -> None:
    assert name.replace(".", "-") in {locked for locked, _ in LOCKED}
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", (ROOT / "NOTICE").read_text().lower())


def test_each_model_that_a_profile_names_has_its_licence_named() -> None:
    profiles = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "profiles").glob("*.yaml"))
    classifiers = {"packaged", "tfidf-logreg", "embedding-logreg"}
    models = set(re.findall(r"^ +model: (\S+)", profiles, flags=re.MULTILINE)) - classifiers
    notice = re.sub(r"[\s-]", "", (ROOT / "NOTICE").read_text(encoding="utf-8").lower())
    families = {re.split(r"[:-]", model.rpartition("/")[2].removeprefix("gt-"))[0] for model in models}
    assert {"qwen2.5", "llama3.1", "biobert"} <= families
    assert [name for name in families if name not in notice] == []
