"""The code of the page on the Python API, run from top to bottom as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.unit.ingest.made_records import study_record

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_code_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    found: dict[str, Any] = {}
    exec(compile("\n".join(blocks), "docs/api.md", "exec"), found)
    assert found["told"]["sentence"].unique().to_list() == ["The trial was stopped because of slow accrual."]
    assert found["trials"]["label"].n_unique() == 2
    assert 0.5 < found["area"] < 1
    assert {len(words) for words in found["moved"]} == {3}
    copies = found["copies"]
    assert copies.low <= copies.value <= copies.high
    write_study(tmp_path / "mine.json")
    capsys.readouterr()
    assert found["read_mine"]("mine.json")["nct_id"].to_list() == ["NCT09000001"]
    assert capsys.readouterr().out == "1 trials, 0 records refused\n"


def write_study(path: Path) -> None:
    path.write_text(json.dumps(study_record("NCT09000001")))
