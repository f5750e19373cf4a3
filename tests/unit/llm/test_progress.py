from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from tests.unit.llm.asking import answer
from trialforge.llm import progress
from trialforge.llm.progress import CallProgress, clean_interrupt


def lines(monkeypatch: pytest.MonkeyPatch, total: int, *reports: tuple[bool, bool]) -> list[str]:
    """What is printed, each report as it comes; a report is (from the cache, settled)."""
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    out = io.StringIO()
    with CallProgress("drafts", total, Console(file=out, width=200)) as shown:
        for from_cache, settled in reports:
            shown.report(replace(answer("x"), from_cache=from_cache), settled)
    return out.getvalue().splitlines()


def test_plain_lines_count_records_hits_and_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lines(monkeypatch, 3, (True, True), (False, False), (False, True), (False, True))
    assert found[0] == "drafts: 3 to do"
    assert re.fullmatch(r"drafts: 1 of 3, 0 tokens/s, 1 cache hits, 0 retries", found[1])
    assert re.fullmatch(r"drafts: 2 of 3, \d+ tokens/s, 1 cache hits, 1 retries, about \d+ s left", found[3])
    assert re.fullmatch(r"drafts: 3 of 3, \d+ tokens/s, 1 cache hits, 1 retries", found[-1])


def test_replayed_answers_promise_no_speed_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lines(monkeypatch, 1000, *[(True, True)] * 999)
    assert not any("left" in line for line in found)


def test_terminal_has_a_bar() -> None:
    out = io.StringIO()
    with CallProgress("drafts", 2, Console(file=out, width=120, force_terminal=True)) as shown:
        shown.report(answer("x"), True)
    assert re.search(r"drafts.*1/2.*tokens/s, 0 cache hits, 0 retries", out.getvalue())


def test_ctrl_c_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, clean_interrupt("generate"):
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert (
        capsys.readouterr().err == "interrupted: all finished answers are kept\n  next: dvc repro generate\n"
    )
