"""The README's lines for a user's own files, run as they stand on small files of that kind."""

from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path

import polars as pl

from tests.stages.small_run import ROOT, make_clone, new_account

A, B, C = (f"NCT0900000{number}" for number in range(3))
FIRST = "cp ~/Downloads/ctg-studies.csv"


def own_files(home: Path) -> None:
    """A CSV export, an AACT zip, and labels as a spreadsheet writes them."""
    (home / "Downloads").mkdir(parents=True)
    (home / "Desktop").mkdir()
    (home / "Downloads" / "ctg-studies.csv").write_text(
        "NCT Number,Study Title,Phases,Study Type,Study Status\n"
        f"{A},A title,PHASE2,INTERVENTIONAL,COMPLETED\n"
    )
    with zipfile.ZipFile(home / "Downloads" / "aact.zip", "w") as archive:
        studies = [f"{nct_id}|Phase 3|Interventional|Terminated|Slow accrual" for nct_id in (B, C)]
        header = "nct_id|phase|study_type|overall_status|why_stopped"
        archive.writestr("studies.txt", "\n".join([header, *studies]) + "\n")
    (home / "Desktop" / "labels.csv").write_text(
        f"\ufeffNCT Number;label\n{A};1.0\n{B};yes\n", encoding="utf-8"
    )


def test_the_lines_for_own_files_run(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = next(found for found in re.findall(r"```console\n(.*?)```", readme, re.DOTALL) if FIRST in found)
    clone = make_clone(tmp_path / "clone")
    account = new_account(clone)
    own_files(Path(account["HOME"]))
    # All but the language model: what the last line runs is tested elsewhere.
    lines = block.replace("dvc exp run", "dvc exp run ingest")
    done = subprocess.run(
        ["sh", "-e", "-c", f"mkdir -p data/raw/trials\n{lines}"],
        cwd=clone, env=account, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    found = pl.read_parquet(clone / "data" / "trials.parquet").select(
        "nct_id", "source", "label", "label_source"
    )
    assert found.sort("nct_id").rows() == [
        (A, "ctgov-csv", 1, "csv"), (B, "aact", 1, "csv"), (C, "aact", 0, "status"),
    ]  # fmt: skip
