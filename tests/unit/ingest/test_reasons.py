"""Every reason for a refusal is spelt as those of the other stages are: `other_registry`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import trialforge.ingest.raw

HYPHENATED = re.compile(r"[a-z]+(-[a-z]+)+")
NO_REASONS = {"ctgov-csv", "ctgov-json", "ctgov-xml", "mesh-list"}  # kinds of source and of MeSH term


def test_no_reason_has_a_hyphen() -> None:
    modules = Path(trialforge.ingest.raw.__file__).parent.glob("*.py")
    found = {
        node.value
        for module in modules
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and HYPHENATED.fullmatch(node.value)
    }
    assert found <= NO_REASONS, found - NO_REASONS
