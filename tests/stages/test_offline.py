"""The default pipeline needs no network, no home folder and no account, and asks for none."""

from __future__ import annotations

import pytest

from tests.stages.small_run import SECRET, SmallRuns, count_refused

# The first test that asks for the small runs waits for them.
pytestmark = pytest.mark.timeout(600)


def test_the_default_pipeline_runs_where_there_is_no_network(small_runs: SmallRuns) -> None:
    if not small_runs.isolated:
        pytest.skip("this machine does not let a test make a network namespace (unshare -rn)")
    assert (small_runs.here / "report" / "index.html").stat().st_size > 100_000


def test_nothing_tries_to_reach_another_machine(small_runs: SmallRuns) -> None:
    """Telemetry, update checks and name look-ups of any library would count here."""
    if not small_runs.isolated:
        pytest.skip("this machine does not let a test make a network namespace (unshare -rn)")
    assert small_runs.asked == 0


def test_refused_packets_are_counted() -> None:
    assert count_refused("Ip: OutRequests OutNoRoutes\nIp: 5 3\nIp6OutNoRoutes   \t4\n") == 7


def test_the_home_folder_gets_nothing_of_a_run(small_runs: SmallRuns) -> None:
    """What is paid for lies in the checkout; a library's own cache would hide a need for the network."""
    home = small_runs.here.parent / "here-home"
    assert [
        path for path in home.rglob("*") if path.is_file() and path.suffix in {".safetensors", ".gguf"}
    ] == []


def test_no_secret_of_the_environment_is_in_anything_that_a_run_leaves(small_runs: SmallRuns) -> None:
    needle = SECRET.encode()
    left = [path for path in small_runs.there.parent.rglob("*") if path.is_file()]
    assert len(left) > 100
    assert [path for path in left if needle in path.read_bytes()] == []
    assert SECRET not in small_runs.said
