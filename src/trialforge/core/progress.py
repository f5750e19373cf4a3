"""Progress of long work on standard error: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import ClassVar

from rich import progress as rich_progress
from rich.console import Console

from trialforge.core.errors import escape_controls
from trialforge.core.secrets import hide_secrets

LINE_SECONDS = 60.0
QUIET_SECONDS = 5.0  # work that is mostly short says nothing before
_LOOK_SECONDS = 0.1


def format_seconds(seconds: float) -> str:
    """Return a duration as `45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Progress:
    """Counts the steps of one piece of work and estimates the time left; used as a context manager.

    While no step ends, it still says once a minute that the work goes on.

    Args:
        what: the work, in a word or two.
        total: how many steps it has; None where that is found on the way.
        work: what all steps cost together, in any unit; by default each costs 1.
        console: where to print; by default standard error.
        at_once: how many steps are worked on together.
        quiet_seconds: work that ends sooner says nothing.

    Attributes:
        workers: how many workers of a cluster do the work of this process; None: no cluster does any.
        done: finished steps.
    """

    workers: ClassVar[int | None] = None

    def __init__(
        self,
        what: str,
        total: int | None,
        console: Console | None = None,
        *,
        work: float | None = None,
        at_once: int = 1,
        quiet_seconds: float = 0.0,
    ) -> None:
        self.done = 0
        self._at_once, self._quiet = at_once, quiet_seconds
        self._what, self._total = escape_controls(what), total
        self._work = work
        self._worked = self._timed = 0.0  # of it, and of that what was not found in a cache
        self._found: int | None = None  # steps that were done before, by `reach`
        self._note = ""
        self._console = console or Console(stderr=True)
        self._start = self._said = self._moved = time.monotonic()
        self._bar: rich_progress.Progress | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._keep_telling, daemon=True)

    def __enter__(self) -> Progress:
        if not self._quiet:
            self._show()
        self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._clock.join()
        if self._bar is not None:
            self._bar.stop()
        if not self._quiet:
            self._print(self.line())

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def advance(
        self, steps: int = 1, *, work: float | None = None, timed: bool = True, note: str = ""
    ) -> None:
        """Count finished steps.

        Args:
            steps: how many; 0 only shows the note.
            work: what they cost; by default 1 each.
            timed: False for steps that took no time (answers of a cache), which say nothing about the rest.
            note: what else to show.
        """
        with self._lock:
            self.done += steps
            cost = steps if work is None else work
            self._worked += cost
            self._timed += cost if timed else 0
            self._note = escape_controls(note)
            self._moved = time.monotonic()
            self._tell()

    def step(self, note: str) -> None:
        """Count a step whose time says nothing of the others', and show what it was."""
        self.advance(timed=False, note=note)

    def reach(self, done: int, total: int | None) -> None:
        """Set how many steps are done, and of how many; the first call tells what was done before.

        Fewer steps than in the last call begin the work anew.
        """
        with self._lock:
            self._moved = time.monotonic()
            if self._found is None or done < self.done:
                self._found, self._start = done, self._moved
            self.done, self._total, self._timed = done, total, done - self._found
            self._worked, self._work = done, total
            self._tell()

    def say(self, words: str) -> None:
        """Print a line at once, above the bar where there is one."""
        with self._lock:
            self._print(escape_controls(hide_secrets(f"{self._what}: {words}")))

    def line(self) -> str:
        """Return the state as one line."""
        count = f"{self._what}: {self.done}" + ("" if self._total is None else f" of {self._total}")
        return ", ".join(filter(None, (count, self._speed(), self._note, self._left())))

    def _speed(self) -> str:
        if self.workers is None:
            return ""
        named = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return f"{named}, {self._timed / max(self.seconds, 1e-9):.3g} a second"

    def _show(self) -> None:
        self._quiet = 0.0
        if self._console.is_terminal:
            columns = (
                rich_progress.TextColumn("{task.description}", markup=False),
                rich_progress.BarColumn(),
                rich_progress.MofNCompleteColumn(),
                rich_progress.TextColumn("{task.fields[note]}", markup=False),
            )
            self._bar = rich_progress.Progress(*columns, console=self._console)
            self._bar.add_task(self._what, total=self._total, note="")
            self._bar.start()
        elif self._total is not None:
            self._print(", ".join(filter(None, (f"{self._what}: {self._total} to do", self._left()))))

    def _tell(self) -> None:
        now = time.monotonic()
        due = self._due(now) <= 0
        if self._quiet and due:
            self._show()
        elif due and self._bar is None:
            still = now - self._moved
            waiting = f", no news for {format_seconds(still)}" if still >= LINE_SECONDS > 0 else ""
            self._print(self.line() + waiting)
        if due:
            self._said = now
        if self._bar is not None:
            shown = ", ".join(filter(None, (self._speed(), self._note, self._left())))
            self._bar.update(self._bar.task_ids[0], completed=self.done, total=self._total, note=shown)

    def _due(self, now: float) -> float:
        """Return in how many seconds there is something to tell."""
        return self._start + self._quiet - now if self._quiet else self._said + LINE_SECONDS - now

    def _keep_telling(self) -> None:
        """Tell what is due while no step ends, since the work takes long or an answer does not come."""
        while not self._ended.wait(max(self._due(time.monotonic()), _LOOK_SECONDS)):
            with self._lock:
                self._tell()

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _left(self) -> str:
        steps = 0 if self._total is None else self._total - self.done
        work = steps if self._work is None else self._work - self._worked
        if self._timed <= 0 or steps <= 0 or work <= 0:
            return ""
        # Of what is worked on beside the step that has just ended, half is done on average.
        half_done = (min(self._at_once, steps + 1) - 1) / 2 * work / steps
        return f"about {format_seconds(self.seconds / (self._timed + half_done) * work)} left"
