"""No code that runs what it reads, and no secret in what a run leaves."""

from __future__ import annotations

import ast
import re
import subprocess
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
