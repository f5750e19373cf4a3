"""The example notebook runs on a finished run, and what it shows is what it shows when it runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_the_run_of_this_checkout(path: Path) -> None:
    if not (ROOT / "data" / "synthetic.parquet").is_file():
        pytest.skip("the default run is not there: make repro")
    notebook = nbformat.read(path, as_version=4)
    kept = [tell_outputs(cell) for cell in notebook.cells]
    assert sum(map(bool, kept)) > 4, "it is kept with its outputs"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    if not is_committed("metrics", "plots"):
        pytest.skip("the run of this checkout is not the one that is committed")
    assert [tell_outputs(cell) for cell in notebook.cells] == kept


def tell_outputs(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell shows as text."""
    outputs = cell.get("outputs", ())
    return [output.get("text") or output["data"]["text/plain"] for output in outputs]


def is_committed(*paths: str) -> bool:
    """Whether files are those of the last commit: on another kind of processor some last digits differ."""
    return not subprocess.run(
        ["git", "diff", "--quiet", "HEAD", "--", *paths], cwd=ROOT, check=False
    ).returncode
