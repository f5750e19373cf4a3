"""A stage run in this process: libraries that take seconds to load are loaded once for all tests."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest


def run_stage(folder: Path, name: str, *arguments: str) -> None:
    """Run the script of a stage in a folder, as its command does there; its errors are raised."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [name, *arguments])
        patch.setenv("HF_HUB_OFFLINE", "1")
        importlib.import_module(f"stages.{name}").main()
