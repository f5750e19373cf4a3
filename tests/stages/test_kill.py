"""A run that is killed goes on where it was: nothing is paid twice, and the end is the same."""

from __future__ import annotations

from pathlib import Path

from benchmarks._small_run import SLOTS, run_with_kills
from trialforge.generation.calls import CallCache

NUMBER, KILLS = 12, 3


def test_killed_run_pays_again_only_for_calls_in_flight(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    expected, paid = run_with_kills(whole, NUMBER, 0, seed=1)
    assert paid == NUMBER
    found, paid = run_with_kills(killed, NUMBER, KILLS, seed=1)
    assert found == expected
    assert NUMBER <= paid <= NUMBER + KILLS * SLOTS
    cache = CallCache(killed / "calls.sqlite")
    assert cache.find_corrupt() == []
    assert cache.measure().entries == NUMBER
    cache.close()
