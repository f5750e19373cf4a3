"""Progress of long work on standard error: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich import progress as rich_progress
from rich.console import Console

LINE_SECONDS = 60.0


def format_seconds(seconds: float) -> str:
    """Return a duration as `45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Progress:
    """Counts the steps of one piece of work and estimates the time left; used as a context manager.

    Args:
        what: the work, in a word or two.
        total: how many steps it has.
        console: where to print; by default standard error.
        at_once: how many steps are worked on together.
        quiet_seconds: work that ends sooner says nothing.
    """

    def __init__(
        self,
        what: str,
        total: int,
        console: Console | None = None,
        *,
        at_once: int = 1,
        quiet_seconds: float = 0.0,
    ) -> None:
        self.done = 0
        self._at_once, self._quiet = at_once, quiet_seconds
        self._what, self._total = what, total
        self._timed = 0
        self._note = ""
        self._console = console or Console(stderr=True)
        self._start = self._said = time.monotonic()
        self._bar: rich_progress.Progress | None = None

    def __enter__(self) -> Progress:
        if not self._quiet:
            self._show()
        return self

    def _show(self) -> None:
        self._quiet = 0.0
        if self._console.is_terminal:
            columns = (
                rich_progress.TextColumn("{task.description}"),
                rich_progress.BarColumn(),
                rich_progress.MofNCompleteColumn(),
                rich_progress.TextColumn("{task.fields[note]}"),
            )
            self._bar = rich_progress.Progress(*columns, console=self._console)
            self._bar.add_task(self._what, total=self._total, note="")
            self._bar.start()
        else:
            self._console.print(f"{self._what}: {self._total} to do", highlight=False, markup=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._quiet:
            return
        self._console.print(self.line(), highlight=False, markup=False)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def advance(self, steps: int = 1, *, timed: bool = True, note: str = "") -> None:
        """Count finished steps.

        Args:
            steps: how many; 0 only shows the note.
            timed: False for steps that took no time (answers of a cache), which say nothing about the rest.
            note: what else to show.
        """
        self.done += steps
        self._timed += steps if timed else 0
        self._note = note
        if self._quiet and self.seconds < self._quiet:
            return
        if self._quiet:
            self._show()
        if self._bar is not None:
            shown = ", ".join(filter(None, (note, self._left())))
            self._bar.update(self._bar.task_ids[0], completed=self.done, note=shown)
        elif time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            self._console.print(self.line(), highlight=False, markup=False)

    def line(self) -> str:
        """Return the state as one line."""
        count = f"{self._what}: {self.done} of {self._total}"
        return ", ".join(filter(None, (count, self._note, self._left())))

    def _left(self) -> str:
        left = self._total - self.done
        if not self._timed or left <= 0:
            return ""
        # Of what is worked on beside the step that has just ended, half is done on average.
        half_done = (min(self._at_once, left + 1) - 1) / 2
        return f"about {format_seconds(self.seconds / (self._timed + half_done) * left)} left"
