"""A test that waits for Ollama has a limit of its own, and its failure names the server."""

from __future__ import annotations

import os
import signal
from types import FrameType

import pytest

SECONDS = float(os.environ.get("OLLAMA_TEST_SECONDS", "600"))


def waits_for_ollama(item: pytest.Item) -> bool:
    return "ollama_host" in getattr(item, "fixturenames", ())


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item) -> bool | None:
    """Take the place of the timer of pytest-timeout, which says nothing of the server."""
    if not waits_for_ollama(item):
        return None

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail(
            f"the test waited {SECONDS:g} s for Ollama at {os.environ.get('OLLAMA_HOST')}: "
            "see what it works on with `ollama ps`, and stop what else loads the machine"
        )

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer(item: pytest.Item) -> bool | None:
    if not waits_for_ollama(item):
        return None
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return True
