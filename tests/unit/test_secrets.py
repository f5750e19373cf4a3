"""What is installed is pinned and named, no code runs what it reads, and no secret is tracked."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {
    "torch.load",
    "pd.read_pickle",
    "pl.DataFrame.deserialize",
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
    """The imports and calls that could run what a file holds."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in FORBIDDEN_CALLS:
            found.append(ast.unparse(node.func))
        found += [name for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    assert unsafe_uses(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source", ["import pickle", "from joblib import load", "import torch\ntorch.load('x')", "eval('1')"]
)
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    assert unsafe_uses(source)


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
