"""How far a long training is, on standard error: what is done, and how long the rest will take."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field


def format_seconds(seconds: float) -> str:
    """Return a duration as `45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


@dataclass
class Progress:
    """Counts steps and writes a line at most every `interval` seconds, and at the end."""

    total: int
    interval: float = 2.0
    done: int = 0
    _start: float = field(default_factory=time.monotonic)
    _shown: float = 0.0

    def step(self, what: str) -> None:
        """Count one finished step."""
        self.done += 1
        now = time.monotonic()
        if self.done < self.total and now - self._shown < self.interval:
            return
        self._shown = now
        left = (now - self._start) / self.done * (self.total - self.done)
        ending = f"{format_seconds(left)} left" if self.done < self.total else "done"
        sys.stderr.write(f"[{self.done}/{self.total}] {what}: {ending}\n")
        sys.stderr.flush()
