"""Each figure that the README gives of the default run is one of metrics/, so that none can grow stale."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trialforge.core.files import Number, flatten, read_json

ROOT = Path(__file__).parents[2]
METRICS: dict[str, dict[str, Number]] = {
    f"metrics/{path.name}": flatten(read_json(path)) for path in sorted((ROOT / "metrics").glob("*.json"))
}
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUN = README.partition("\n## The default run\n")[2].partition("\n## ")[0]
PROSE = RUN.partition("```")[0]
BLOCKS = re.findall(r"```console\n(.*?)```", RUN, flags=re.DOTALL)


def is_measured(figure: str, values: list[float]) -> bool:
    """Whether a figure is a measured value, rounded as the figure is."""
    places = len(figure.partition(".")[2])
    return any(abs(value - float(figure)) <= 0.5 * 10**-places + 1e-9 for value in values)


def test_decimal_figures_of_the_prose_are_measured() -> None:
    values = [float(v) for found in METRICS.values() for v in found.values() if isinstance(v, int | float)]
    figures = re.findall(r"(?<![\w.])[-+−]?\d+\.\d+", PROSE)
    assert len(figures) > 5
    assert [figure for figure in figures if not is_measured(figure.replace("−", "-"), values)] == []


def read_table(block: str) -> list[dict[str, str]]:
    """The rows of a table that DVC printed."""
    lines = [line for line in block.splitlines() if line and not line.startswith("$")]
    heading, *rows = (re.split(r"\s{2,}", line.strip()) for line in lines)
    return [dict(zip(heading, row, strict=True)) for row in rows if len(row) == len(heading)]


SHOWN = [row for block in BLOCKS if "metrics show" in block for row in read_table(block)]


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row["Path"])
def test_the_table_of_metrics_is_that_of_the_files(row: dict[str, str]) -> None:
    found = METRICS[row["Path"]]
    cells = {name: cell for name, cell in row.items() if name != "Path" and cell != "-"}
    assert cells
    assert {name: float(cell) for name, cell in cells.items()} == {name: found.get(name) for name in cells}


def test_the_shown_difference_starts_from_what_is_committed() -> None:
    rows = [row for block in BLOCKS if "metrics diff" in block for row in read_table(block)]
    stale = [
        row["Metric"]
        for row in rows
        if not is_measured(row["HEAD"], [float(METRICS[row["Path"]].get(row["Metric"]) or 0)])
    ]
    assert stale == []
