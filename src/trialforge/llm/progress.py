"""Progress of many calls: a bar on a terminal, plain lines elsewhere, and a clean end on ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trialforge.llm.backend import Completion

LINE_SECONDS = 15.0


class CallProgress:
    """Counts completions and shows them; used as a context manager."""

    def __init__(self, what: str, total: int, console: Console | None = None) -> None:
        self.done = self.calls = self.tokens = self.hits = self._paid = 0
        self._what, self._total = what, total
        self._console = console or Console(stderr=True)
        self._start = self._said = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> CallProgress:
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, TextColumn("{task.fields[note]}"), console=self._console)
            self._bar.add_task(self._what, total=self._total, note="")
            self._bar.start()
        else:
            self._console.print(f"{self._what}: {self._total} to do", highlight=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._console.print(self.line(), highlight=False)

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._start

    def report(self, completion: Completion, settled: bool) -> None:
        """Count one completion; `settled` says that its question needs no other attempt."""
        self.done += settled
        self.calls += 1
        self.hits += completion.from_cache
        self._paid += settled and not completion.from_cache
        self.tokens += 0 if completion.from_cache else completion.completion_tokens
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self.done, note=self._note())
        elif time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            self._console.print(self.line(), highlight=False)

    def line(self) -> str:
        """Return the state as one line."""
        # Replayed answers took no time, so they say nothing about the rest.
        left = self.seconds / self._paid * (self._total - self.done) if self._paid else None
        remaining = "" if left is None or self.done == self._total else f", about {left:.0f} s left"
        return f"{self._what}: {self.done} of {self._total}, {self._note()}{remaining}"

    def _note(self) -> str:
        speed = self.tokens / max(self.seconds, 1e-9)
        return f"{speed:.0f} tokens/s, {self.hits} cache hits, {self.calls - self.done} retries"


@contextmanager
def clean_interrupt(stage: str) -> Iterator[None]:
    """Turn ctrl-C into two lines and exit code 130; what was answered stays in the call cache."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted: all finished answers are kept\n  next: dvc repro {stage}\n")
        raise SystemExit(130) from None
