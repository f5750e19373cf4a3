"""A run that is killed goes on where it was: nothing is paid twice, and the end is the same."""

from __future__ import annotations

from pathlib import Path

from tests.killed_run import SLOTS, run_with_kills
from trialforge.llm.calls import CallCache

NUMBER, KILLS = 12, 3


def test_killed_run_pays_again_only_for_calls_in_flight(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    expected = run_with_kills(whole, NUMBER, 0, seed=1)
    assert (expected.paid, expected.kills) == (NUMBER, 0)
    found = run_with_kills(killed, NUMBER, KILLS, seed=1)
    assert found.answers == expected.answers
    assert 1 <= found.kills <= KILLS
    assert NUMBER <= found.paid <= NUMBER + found.kills * SLOTS
    cache = CallCache(killed / "calls.sqlite")
    assert cache.find_corrupt() == []
    assert cache.measure().entries == NUMBER
    cache.close()
