"""Other processes, as tests look at them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def wait_until(reached: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether a process runs: one that nobody waited for has a name, but no command."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False
