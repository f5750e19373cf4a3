"""The page `docs/first-hour.md` as its reader follows it: its blocks, run as they stand."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.stages.small_run import ROOT

PAGE = ROOT / "docs" / "first-hour.md"


def blocks_of(heading: str, language: str) -> list[str]:
    """The blocks of a section in one language."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert section, f"{PAGE.name} has no section {heading!r}"
    return re.findall(rf"^```{language}\n(.*?)^```", section.split("\n## ")[0], re.DOTALL | re.MULTILINE)


def run_block(block: str, folder: Path, account: Mapping[str, str], instead: Mapping[str, str]) -> str:
    """What a shell prints for a block, which must end well; `instead` replaces what is elsewhere here."""
    for words, others in instead.items():
        assert words in block, f"the block has no {words!r}"
        block = block.replace(words, others)
    done = subprocess.run(
        ["sh", "-e", "-c", block], cwd=folder, env=account, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout
