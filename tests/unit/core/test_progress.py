from __future__ import annotations

import io
import random
import re
import time

import pytest
from rich.console import Console

from trialforge.core import progress
from trialforge.core.progress import Progress, format_seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (5370, "1 h 30 min"), (12000, "3 h 20 min")],
)
def test_a_duration_reads_as_a_person_says_it(seconds: float, words: str) -> None:
    assert format_seconds(seconds) == words


def test_a_log_gets_a_line_a_minute_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    out = io.StringIO()
    with Progress("drafts", 4, Console(file=out, width=200)) as shown:
        for passed in (30.0, 40.0, 15.0, 15.0):
            now[0] += passed
            shown.advance(note="epoch 1 of 2")
    # The first and the third step come too soon after a line; the end always has its line.
    assert out.getvalue().splitlines() == [
        "drafts: 4 to do",
        "drafts: 2 of 4, epoch 1 of 2, about 70 s left",
        "drafts: 4 of 4, epoch 1 of 2",
    ]


def test_steps_that_took_no_time_say_nothing_about_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    out = io.StringIO()
    with Progress("drafts", 1000, Console(file=out, width=200)) as shown:
        for _ in range(999):
            shown.advance(timed=False)
        assert "left" not in out.getvalue()
        shown.advance()
    assert out.getvalue().splitlines()[-1] == "drafts: 1000 of 1000"


def test_long_steps_count_as_what_they_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first part of a record is the longest, and all first parts are written before the second ones."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    out = io.StringIO()
    with Progress("drafts", 4, Console(file=out, width=200), work=40) as shown:
        now[0] += 25
        shown.advance(work=25)
        now[0] += 5
        shown.advance(work=5, timed=False)
    assert out.getvalue().splitlines()[1:3] == [
        "drafts: 1 of 4, about 15 s left",
        "drafts: 2 of 4, about 12 s left",
    ]


def test_terminal_has_a_bar() -> None:
    out = io.StringIO()
    with Progress("drafts", 2, Console(file=out, width=120, force_terminal=True)) as shown:
        shown.advance(note="0 cache hits")
    assert re.search(r"drafts.*1/2.*0 cache hits", out.getvalue())


def wait_for_line(out: io.StringIO, pattern: str) -> list[str]:
    """The lines that are there as soon as one of them fits, or after half a minute."""
    give_up = time.monotonic() + 30
    while not re.search(rf"^{pattern}\n", out.getvalue(), re.MULTILINE) and time.monotonic() < give_up:
        time.sleep(0.01)
    return out.getvalue().splitlines()


def test_a_log_gets_its_line_while_no_step_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.2)
    out = io.StringIO()
    with Progress("drafts", 4, Console(file=out, width=200)) as shown:
        shown.advance()
        lines = wait_for_line(out, told := r"drafts: 1 of 4, about .* left, no news for .*")
    assert lines[0] == "drafts: 4 to do"
    assert any(re.fullmatch(told, line) for line in lines)
    said = len(out.getvalue())
    time.sleep(0.5)
    assert len(out.getvalue()) == said  # nothing is told of work that has ended


def test_a_long_first_step_is_announced_before_it_ends() -> None:
    out = io.StringIO()
    with Progress("measures", 3, Console(file=out, width=200), quiet_seconds=0.2):
        assert wait_for_line(out, "measures: 3 to do")[0] == "measures: 3 to do"


def test_steps_whose_number_is_found_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    out = io.StringIO()
    with Progress("trials", None, Console(file=out, width=200)) as shown:
        assert shown.line() == "trials: 0"
        shown.reach(500, None)  # what an earlier run left took no time
        shown.reach(500, 2000)
        now[0] += 70
        shown.reach(1000, 2000)
        shown.say("HTTP 503")
        now[0] += 5
        shown.reach(0, 1000)  # the next pass over the same trials
        now[0] += 10
        shown.reach(200, 1000)
    assert out.getvalue().splitlines() == [
        "trials: 1000 of 2000, about 2 min left",
        "trials: HTTP 503",
        "trials: 200 of 1000, about 40 s left",
    ]


def test_work_that_ends_soon_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    out = io.StringIO()
    with Progress("embedding", 2, Console(file=out, width=200), quiet_seconds=5) as shown:
        for _ in range(2):
            now[0] += 2
            shown.advance()
    assert out.getvalue() == ""
    with Progress("embedding", 2, Console(file=out, width=200), quiet_seconds=5) as shown:
        for _ in range(2):
            now[0] += 6
            shown.advance()
    assert out.getvalue().splitlines() == ["embedding: 2 to do, about 6 s left", "embedding: 2 of 2"]


@pytest.mark.parametrize("at_once", [1, 8, 30])
def test_an_estimate_is_within_a_factor_of_two_after_a_tenth(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that start together take about as long each: the first to end says little of the rest."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    stream, total = random.Random(3), 300
    free, ends = [0.0] * at_once, []
    for _ in range(total):
        start = min(free)
        free[free.index(start)] = end = start + stream.uniform(8, 12)
        ends.append(end)
    shown = Progress("drafts", total, at_once=at_once)
    for number, end in enumerate(sorted(ends), start=1):
        now[0] = end
        shown.advance()
        if total / 10 <= number <= 0.8 * total:
            value, unit = re.search(r"about (\d+) (s|min) left", shown.line()).groups()
            left = int(value) * (60 if unit == "min" else 1)
            assert 0.5 < left / (max(ends) - end) < 2, (number, shown.line())


@pytest.mark.parametrize("terminal", [True, False])
def test_a_note_neither_acts_on_the_terminal_nor_is_read_as_markup(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=terminal, color_system=None)
    with Progress("d[red]rafts[/]", 2, console) as shown:
        shown.advance(note="a [bold]note[/bold][/x] \x1b]0;title\x07\u202e")
    assert "d[red]rafts[/]" in out.getvalue()
    assert "a [bold]note[/bold][/x] \\u001b]0;title\\u0007\\u202e" in out.getvalue()
    assert not re.search("[\x07\u202e]", out.getvalue())
