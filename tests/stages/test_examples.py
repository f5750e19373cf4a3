"""The example notebook runs on a finished run, and what it shows is what it shows when it runs."""

from __future__ import annotations

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
    shown = [cell.get("outputs") for cell in notebook.cells if cell.cell_type == "code"]
    assert sum(map(bool, shown)) > 4, "it is kept with its outputs"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
