from __future__ import annotations

import pytest

from trialforge.learning import progress
from trialforge.learning.progress import Progress, format_seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (5370, "1 h 30 min"), (12000, "3 h 20 min")],
)
def test_a_duration_reads_as_a_person_says_it(seconds: float, words: str) -> None:
    assert format_seconds(seconds) == words


def test_progress_says_what_is_done_and_how_long_the_rest_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    told = Progress(4, interval=10.0, _start=now[0])
    for passed in (30.0, 5.0, 25.0, 20.0):
        now[0] += passed
        told.step("epoch 1 of 2")
    # The second step comes too soon after a line; the last one always has its line.
    assert capsys.readouterr().err.splitlines() == [
        "[1/4] epoch 1 of 2: 2 min left",
        "[3/4] epoch 1 of 2: 20 s left",
        "[4/4] epoch 1 of 2: done",
    ]
