"""Each figure that the README gives of the default run is that of the metric that it names."""

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
BLOCKS = re.findall(r"```console\n(.*?)```", RUN, flags=re.DOTALL)
# | words | figure | `score.json: roc_auc.tfidf-logreg.real` |
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `([\w-]+\.json): ([^`]+)` \|$", RUN, flags=re.MULTILINE)


def is_measured(figure: str, value: Number) -> bool:
    """Whether a figure is a measured value, rounded as the figure is."""
    if isinstance(value, str):
        return figure == value
    places = len(figure.partition(".")[2])
    return value is not None and abs(float(value) - float(figure)) <= 0.5 * 10**-places + 1e-9


@pytest.mark.parametrize(("words", "figure", "file", "metric"), ROWS)
def test_a_figure_is_that_of_the_metric_it_names(words: str, figure: str, file: str, metric: str) -> None:
    assert words
    assert is_measured(figure.replace("−", "-"), METRICS[f"metrics/{file}"][metric])


def test_the_table_is_there_and_the_prose_around_it_has_no_figure_of_the_run() -> None:
    assert len(ROWS) > 8
    prose = re.sub(r"^\|.*$", "", RUN.partition("```")[0], flags=re.MULTILINE)
    assert re.findall(r"(?<![\w.])[-+−]?\d+\.\d+", prose) == []


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
    assert {name for name, cell in cells.items() if not is_measured(cell, found.get(name))} == set()
